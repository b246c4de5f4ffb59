/// The decisions of a pool, apart from its doing: who gets which resource, who waits, when one may be opened.
struct PoolState<Resource> {
    /// What one who wants a resource does.
    enum Acquisition {
        case take(Resource)
        case open
        case wait
        case refused
    }

    /// What is done about a resource, or a place, that came free.
    enum Release {
        case none
        case hand(Resource, to: UInt64)
        case openFor(UInt64)
        case discard(Resource)
    }

    private let size: Int
    private var idle: [Resource] = []
    private var waiting: [UInt64] = []
    private var isClosed = false
    /// Resources that exist or are being opened.
    private(set) var count = 0

    init(size: Int) { self.size = size }

    /// The most recently used resource is given first, so that those too many stay idle.
    mutating func acquire(_ waiter: UInt64) -> Acquisition {
        guard !isClosed else { return .refused }
        if let resource = idle.popLast() { return .take(resource) }
        guard count < size else {
            waiting.append(waiter)
            return .wait
        }
        count += 1
        return .open
    }

    /// A usable resource came back.
    mutating func release(_ resource: Resource) -> Release {
        guard !isClosed else {
            count -= 1
            return .discard(resource)
        }
        guard !waiting.isEmpty else {
            idle.append(resource)
            return .none
        }
        return .hand(resource, to: waiting.removeFirst())
    }

    /// A resource was lost, or could not be opened: its place goes to the next in line.
    mutating func lose() -> Release {
        guard !isClosed, !waiting.isEmpty else {
            count -= 1
            return .none
        }
        return .openFor(waiting.removeFirst())
    }

    /// Takes one out of the line; false when its turn has come already.
    mutating func abandon(_ waiter: UInt64) -> Bool {
        guard let index = waiting.firstIndex(of: waiter) else { return false }
        waiting.remove(at: index)
        return true
    }

    /// Refuses all from now on; returns what is to be closed and who is to be told.
    mutating func close() -> (idle: [Resource], waiting: [UInt64]) {
        isClosed = true
        count -= idle.count
        defer { (idle, waiting) = ([], []) }
        return (idle, waiting)
    }
}
