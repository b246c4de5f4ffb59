/// How long a worker sleeps when nothing was to be claimed.
struct ClaimPacer: Sendable {
    /// The longest sleep: until then a collector that was just enabled waits.
    static let longest = Duration.seconds(5)
    /// The first of the growing sleeps while something is due and yet not to be had.
    static let shortest = Duration.milliseconds(20)
    /// Where these end: somebody's open transaction may hold the row for long.
    static let patient = Duration.seconds(1)

    private var refusals = 0

    /// The sleep before the next claim, by the database's word on when something is due; nil: never.
    mutating func pause(untilDue delay: Duration?) -> Duration {
        let delay = delay ?? Self.longest
        guard delay < Self.shortest else {
            refusals = 0
            return min(delay, Self.longest)
        }
        refusals += 1
        return min(Self.shortest * (1 << min(refusals - 1, 10)), Self.patient)
    }

    /// Something was claimed.
    mutating func claimed() { refusals = 0 }
}
