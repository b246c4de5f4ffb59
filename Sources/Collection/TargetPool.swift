/// The decisions about kept sessions on targets, apart from opening and closing them.
///
/// A target never has more sessions than it allows, all targets together no more than `limit`. To make room an idle
/// session goes: the one used least often, so that a walk through a thousand databases leaves the busiest one's in place.
struct TargetPool<Session> {
    /// What one who wants a session does.
    enum Turn {
        case use(Session)
        /// Open one.
        case open
        /// All that are allowed are in use.
        case busy
    }

    private struct Idle {
        let access: TargetAccess
        let session: Session
        let uses: Int
        let since: ContinuousClock.Instant
    }

    private let limit: Int
    private var idle: [Idle] = []
    /// Sessions in use or being opened, by target.
    private var inUse: [Int: Int] = [:]

    init(limit: Int) { self.limit = limit }

    /// Sessions that exist or are being opened.
    var count: Int { idle.count + inUse.values.reduce(0, +) }

    /// Sessions of one target that exist or are being opened.
    func count(of targetID: Int) -> Int {
        idle.count { $0.access.targetID == targetID } + inUse[targetID, default: 0]
    }

    /// Finds a session, or room for one, on a target that allows so many; `closing` is to be closed in any case, first.
    mutating func take(_ access: TargetAccess, allowed: Int) -> (turn: Turn, closing: [Session]) {
        var closing = remove { $0.access.targetID == access.targetID && $0.access.means != access.means }
        let same = idle.indices.filter { idle[$0].access == access }
        if let index = same.max(by: { idle[$0].since < idle[$1].since }) {
            inUse[access.targetID, default: 0] += 1
            return (.use(idle.remove(at: index).session), closing)
        }
        while count(of: access.targetID) >= allowed {
            guard let session = evict({ $0.targetID == access.targetID }) else { return (.busy, closing) }
            closing.append(session)
        }
        while count >= limit {
            guard let session = evict({ _ in true }) else { return (.busy, closing) }
            closing.append(session)
        }
        inUse[access.targetID, default: 0] += 1
        return (.open, closing)
    }

    /// A session comes back in good order, after so many uses.
    mutating func giveBack(_ session: Session, _ access: TargetAccess, uses: Int, now: ContinuousClock.Instant) {
        lose(access)
        idle.append(Idle(access: access, session: session, uses: uses, since: now))
    }

    /// A session is gone, or was not opened.
    mutating func lose(_ access: TargetAccess) {
        let rest = inUse[access.targetID, default: 0] - 1
        inUse[access.targetID] = rest > 0 ? rest : nil
    }

    /// Lets go of idle sessions of a target, all of them.
    mutating func forget(_ targetID: Int) -> [Session] { remove { $0.access.targetID == targetID } }

    /// Lets go of sessions that nobody used since the instant; of all, when none is given.
    mutating func closeIdle(since instant: ContinuousClock.Instant?) -> [Session] {
        remove { idle in instant.map { idle.since < $0 } ?? true }
    }

    private mutating func evict(_ isCandidate: (TargetAccess) -> Bool) -> Session? {
        let candidates = idle.indices.filter { isCandidate(idle[$0].access) }
        let least = candidates.min { (idle[$0].uses, idle[$0].since) < (idle[$1].uses, idle[$1].since) }
        return least.map { idle.remove(at: $0).session }
    }

    private mutating func remove(_ isGone: (Idle) -> Bool) -> [Session] {
        let gone = idle.filter(isGone)
        idle.removeAll(where: isGone)
        return gone.map(\.session)
    }
}
