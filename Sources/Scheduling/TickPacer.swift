/// Decides when the scheduler takes its next turn.
///
/// Turns are bunched, since one turn serves many jobs at nearly the price of one. Due work that another service is just
/// taking looks like work without being any; turns that come back empty-handed from it grow apart.
struct TickPacer: Sendable {
    /// The least time between two turns.
    static let shortest = Duration.milliseconds(10)
    /// The longest time between two turns that find due work taken by others.
    static let longestRetry = Duration.milliseconds(500)
    /// How long to wait for a session to become free before asking again.
    static let saturated = Duration.milliseconds(500)

    private var emptyTurns = 0

    /// The sleep after a turn that offered sessions and got runs; `wait` is what the database said.
    mutating func pause(offered: Int, claimed: Int, wait: Duration) -> Duration {
        if claimed > 0 || wait > .zero { emptyTurns = 0 }
        if offered == 0 || claimed == offered { return Self.saturated }
        if claimed == 0 && wait <= .zero {
            emptyTurns += 1
            return min(Self.shortest * (1 << min(emptyTurns - 1, 6)), Self.longestRetry)
        }
        return max(wait, Self.shortest)
    }
}
