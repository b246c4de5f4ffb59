import CMicroHTTPD
import CShims
import Glibc
import Runtime

/// The HTTP server: libmicrohttpd with a thread per connection, under deadlines of our own.
///
/// Concurrency: `handler` is called on the connections' threads. `daemon` is set by `init` and ended by `stop`.
final class HTTPServer: @unchecked Sendable {  // Proof: only init and stop set `daemon`.
    /// What the server allows.
    struct Limits: Sendable {
        var connections: Int
        var phases: ConnectionTable.Limits
    }

    /// Answers a request; may block.
    typealias Handler = @Sendable (HTTPRequest) -> HTTPResponse
    /// Told of every finished exchange: path, status, time from the last header to the last byte.
    typealias Observer = @Sendable (String, UInt32, Duration) -> Void

    let port: UInt16
    let table: ConnectionTable
    let handler: Handler
    let observer: Observer
    private let socket: ListeningSocket
    private var daemon: OpaquePointer?
    private let alarm = Alarm()
    private let isStopping = Lock(false)

    /// Longest path that is looked at.
    static let pathLimit = 1024

    /// Starts to serve.
    /// - Throws: `ListenFailure` when the machine refuses threads or memory.
    init(
        socket: ListeningSocket, limits: Limits, handler: @escaping Handler, observer: @escaping Observer
    ) throws(ListenFailure) {
        self.socket = socket
        self.handler = handler
        self.observer = observer
        port = socket.port
        // Half of the places are kept for newcomers by closing idle connections, whose threads take a moment to end.
        table = ConnectionTable(limits: limits.phases, crowd: max(1, limits.connections / 2))
        daemon = startDaemon(limits)
        guard daemon != nil else {
            throw ListenFailure(isPortTaken: false, description: "cannot start the HTTP server")
        }
        let shortest = min(limits.phases.firstRequest, limits.phases.response, limits.phases.nextRequest)
        do {
            try OSThread.start(name: "http deadlines") { [weak self, isStopping] in
                while !isStopping.withLock({ $0 }), let self { self.sweep(every: shortest / 5) }
            }
        } catch {
            MHD_stop_daemon(daemon)
            throw ListenFailure(isPortTaken: false, description: error.description)
        }
    }

    /// Takes no more connections, lets responses under way finish for `grace`, ends the rest; blocks until then.
    func stop(grace: Duration = .milliseconds(200)) {
        isStopping.withLock { $0 = true }
        alarm.ring {}
        guard let daemon else { return }
        // The listening socket stays ours; without this libmicrohttpd would close it.
        MHD_quiesce_daemon(daemon)
        let end = Monotonic.now() + grace
        while table.isResponding, Monotonic.now() < end { usleep(2000) }
        MHD_stop_daemon(daemon)
        self.daemon = nil
    }

    /// Wakes the sweeper: a connection came.
    func connectionOpened() { alarm.ring {} }

    private func sweep(every interval: Duration) {
        // Asked before the sweep, so that a connection that comes meanwhile is not slept over.
        let newest = table.newestID
        // Without connections there is nothing to wake for but the next one.
        let limit = table.sweep().map { min($0, interval) }
        _ = alarm.wait(upTo: limit) { () -> Bool? in
            isStopping.withLock({ $0 }) || (limit == nil && table.newestID != newest) ? true : nil
        }
    }

    private func startDaemon(_ limits: Limits) -> OpaquePointer? {
        let me = Unmanaged.passUnretained(self).toOpaque()
        func option(_ option: MHD_OPTION, _ value: Int, _ pointer: UnsafeMutableRawPointer? = nil) -> MHD_OptionItem {
            MHD_OptionItem(option: option, value: value, ptr_value: pointer)
        }
        var options = [
            option(.LISTEN_SOCKET, Int(socket.descriptor)),
            option(.CONNECTION_LIMIT, limits.connections),
            option(.CONNECTION_MEMORY_LIMIT, 16 * 1024),
            // The deadlines are the table's; libmicrohttpd would only count silence.
            option(.CONNECTION_TIMEOUT, 0),
            option(.THREAD_STACK_SIZE, 256 * 1024),
            option(.NOTIFY_CONNECTION, unsafeBitCast(HTTPCallbacks.connectionChanged, to: Int.self), me),
            option(.UNESCAPE_CALLBACK, unsafeBitCast(HTTPCallbacks.unescape, to: Int.self)),
            option(.NOTIFY_COMPLETED, unsafeBitCast(HTTPCallbacks.requestCompleted, to: Int.self), me),
            option(.END, 0),
        ]
        let flags =
            MHD_USE_THREAD_PER_CONNECTION.rawValue | MHD_USE_INTERNAL_POLLING_THREAD.rawValue | MHD_USE_POLL.rawValue
            | MHD_USE_ITC.rawValue
        return options.withUnsafeMutableBufferPointer { buffer in
            pgvigil_mhd_start(flags, 0, HTTPCallbacks.access, me, buffer.baseAddress)
        }
    }
}
