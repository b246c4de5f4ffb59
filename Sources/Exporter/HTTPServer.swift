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
    /// The certificate and the key as C strings, kept as long as libmicrohttpd may read them.
    private var pem: [UnsafeMutablePointer<CChar>] = []
    private var listener: Int32 = -1
    private var daemon: OpaquePointer?
    private let alarm = Alarm()
    private let isStopping = Lock(false)

    /// TLS 1.2 and newer.
    private static let priorities: StaticString = "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

    /// Longest path that is looked at.
    static let pathLimit = 1024

    /// Starts to serve, encrypted when an identity is given.
    /// - Throws: `ListenFailure` when the machine refuses threads or memory.
    init(
        socket: ListeningSocket, limits: Limits, identity: TLSIdentity? = nil, handler: @escaping Handler,
        observer: @escaping Observer
    ) throws(ListenFailure) {
        self.socket = socket
        self.handler = handler
        self.observer = observer
        port = socket.port
        // Half of the places are kept for newcomers by closing idle connections, whose threads take a moment to end.
        table = ConnectionTable(limits: limits.phases, crowd: max(1, limits.connections / 2))
        pem = [identity?.certificate, identity?.key].compactMap { $0 }.compactMap { bytes in
            bytes.contains(0) ? nil : strdup(String(decoding: bytes, as: UTF8.self))
        }
        // A copy: a daemon that fails to start closes the socket that it was given.
        listener = fcntl(socket.descriptor, F_DUPFD_CLOEXEC, 0)
        daemon = startDaemon(limits)
        guard daemon != nil else {
            throw ListenFailure(
                isPortTaken: false,
                description: "cannot start the HTTP\(identity == nil ? "" : "S") server")
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

    deinit {
        for text in pem {
            explicit_bzero(text, strlen(text))
            free(text)
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
        close(listener)
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
            option(.LISTEN_SOCKET, Int(listener)),
            option(.CONNECTION_LIMIT, limits.connections),
            option(.CONNECTION_MEMORY_LIMIT, 16 * 1024),
            // The deadlines are the table's; libmicrohttpd would only count silence.
            option(.CONNECTION_TIMEOUT, 0),
            option(.THREAD_STACK_SIZE, 256 * 1024),
            option(.NOTIFY_CONNECTION, unsafeBitCast(HTTPCallbacks.connectionChanged, to: Int.self), me),
            option(.UNESCAPE_CALLBACK, unsafeBitCast(HTTPCallbacks.unescape, to: Int.self)),
            option(.NOTIFY_COMPLETED, unsafeBitCast(HTTPCallbacks.requestCompleted, to: Int.self), me),
        ]
        var flags =
            MHD_USE_THREAD_PER_CONNECTION.rawValue | MHD_USE_INTERNAL_POLLING_THREAD.rawValue | MHD_USE_POLL.rawValue
            | MHD_USE_ITC.rawValue
        if pem.count == 2 {
            flags |= MHD_USE_TLS.rawValue
            options += [
                option(.HTTPS_MEM_CERT, 0, pem[0]), option(.HTTPS_MEM_KEY, 0, pem[1]),
                option(.HTTPS_PRIORITIES, 0, UnsafeMutableRawPointer(mutating: Self.priorities.utf8Start)),
            ]
        }
        options.append(option(.END, 0))
        return options.withUnsafeMutableBufferPointer { buffer in
            pgvigil_mhd_start(flags, 0, HTTPCallbacks.access, me, buffer.baseAddress)
        }
    }
}
