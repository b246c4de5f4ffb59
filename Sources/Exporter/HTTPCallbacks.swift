import CMicroHTTPD
import CShims
import Glibc
import Runtime

/// What libmicrohttpd calls, on the threads of its connections.
enum HTTPCallbacks {
    /// What a connection carries from its start to its end; one thread uses it at a time.
    private final class ConnectionState {
        let id: UInt64
        var startedAt: ContinuousClock.Instant?
        var path = ""
        var status: UInt32 = 0

        init(id: UInt64) { self.id = id }
    }

    /// A connection was opened, or is about to be closed.
    static let connectionChanged: MHD_NotifyConnectionCallback = { context, connection, socketContext, code in
        guard let server = server(context), let socketContext else { return }
        switch code {
        case .CONNECTION_NOTIFY_STARTED:
            let state = ConnectionState(id: server.table.opened(socket: pgvigil_mhd_socket(connection)))
            socketContext.pointee = Unmanaged.passRetained(state).toOpaque()
            server.connectionOpened()
        case .CONNECTION_NOTIFY_CLOSED:
            guard let pointer = socketContext.pointee else { return }
            server.table.closed(Unmanaged<ConnectionState>.fromOpaque(pointer).takeRetainedValue().id)
            socketContext.pointee = nil
        @unknown default:
            return
        }
    }

    /// A response went out, or its connection broke.
    static let requestCompleted: MHD_RequestCompletedCallback = { context, connection, _, _ in
        guard let server = server(context), let state = state(connection), let startedAt = state.startedAt else {
            return
        }
        server.observer(state.path, state.status, Monotonic.now() - startedAt)
        state.startedAt = nil
        server.table.enter(.nextRequest, state.id)
    }

    /// Called first when the headers are there, then to be answered; no request with a body comes to its second call.
    static let access: MHD_AccessHandlerCallback = {
        context, connection, url, method, _, _, _, requestContext in
        guard let server = server(context), let connection, let url, let method, let requestContext,
            let state = state(connection)
        else { return .NO }
        if requestContext.pointee == nil {
            requestContext.pointee = UnsafeMutableRawPointer(bitPattern: 1)
            state.startedAt = Monotonic.now()
            state.path = String(cString: url)
            let hasBody = hasBody(connection)
            // A request with a body is not read to its end only to be refused.
            guard let refusal = refusal(method: String(cString: method), path: state.path, hasBody: hasBody) else {
                return .YES
            }
            server.table.enter(.response, state.id)
            return send(refusal, connection, state)
        }
        // Not earlier: while a client can still keep us waiting, its connection is one that gives way to newcomers.
        server.table.enter(.response, state.id)
        let request = HTTPRequest(
            path: state.path, acceptsGzip: HTTPRequest.acceptsGzip(header: header("Accept-Encoding", connection)),
            format: ExpositionFormat.negotiated(accept: header("Accept", connection)),
            host: header("Host", connection), authorization: header("Authorization", connection))
        return send(server.handler(request), connection, state)
    }

    /// Leaves a path as it was sent: unescaped, `/metrics%00x` would be a C string that ends after `/metrics`.
    static let unescape:
        @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?, UnsafeMutablePointer<CChar>?) -> Int = {
            _, _, text in
            text.map { strlen($0) } ?? 0
        }

    /// The value of a header; the first one when it came more than once.
    private static func header(_ name: String, _ connection: OpaquePointer) -> String? {
        MHD_lookup_connection_value(connection, .HEADER_KIND, name).map { String(cString: $0) }
    }

    /// Whether the headers announce a body, of whatever length.
    private static func hasBody(_ connection: OpaquePointer) -> Bool {
        if MHD_lookup_connection_value(connection, .HEADER_KIND, "Transfer-Encoding") != nil { return true }
        guard let length = MHD_lookup_connection_value(connection, .HEADER_KIND, "Content-Length") else { return false }
        return String(cString: length).contains { $0 != "0" }
    }

    /// Why a request is not served, if it is not; libmicrohttpd closes the connection after it when a body is left.
    private static func refusal(method: String, path: String, hasBody: Bool) -> HTTPResponse? {
        if method != "GET", method != "HEAD" {
            var response = HTTPResponse.text(405, "only GET and HEAD are answered here")
            response.headers.append(("Allow", "GET, HEAD"))
            return response
        }
        if hasBody { return .text(413, "a request has no body here") }
        return path.utf8.count > HTTPServer.pathLimit ? .text(414, "the path is too long") : nil
    }

    private static func send(
        _ response: HTTPResponse, _ connection: OpaquePointer, _ state: ConnectionState
    ) -> MHD_Result {
        state.status = response.status
        guard let native = native(response.body) else { return .NO }
        defer { MHD_destroy_response(native) }
        MHD_add_response_header(native, "Content-Type", response.contentType)
        for header in response.headers { MHD_add_response_header(native, header.name, header.value) }
        return MHD_queue_response(connection, response.status, native)
    }

    private static func native(_ body: HTTPResponse.Body) -> OpaquePointer? {
        switch body {
        case .text(let text):
            var bytes = Array(text.utf8)
            return MHD_create_response_from_buffer(bytes.count, &bytes, .RESPMEM_MUST_COPY)
        case .page(let page, let packed, let place):
            let reader = Unmanaged.passRetained(MetricsPageReader(page, packed: packed, place: place)).toOpaque()
            return MHD_create_response_from_callback(
                UInt64(packed ? page.packedCount : page.plainCount), 64 * 1024, readPage, reader,
                { context in
                    guard let context else { return }
                    Unmanaged<MetricsPageReader>.fromOpaque(context).release()
                })
        }
    }

    /// Fills libmicrohttpd's buffer; -1 ends the response, -2 breaks it off.
    private static let readPage: MHD_ContentReaderCallback = { context, _, buffer, size in
        guard let context, let buffer else { return -2 }
        let reader = Unmanaged<MetricsPageReader>.fromOpaque(context).takeUnretainedValue()
        return buffer.withMemoryRebound(to: UInt8.self, capacity: size) { bytes in
            guard let count = reader.read(into: UnsafeMutableBufferPointer(start: bytes, count: size)) else {
                return -2
            }
            return count == 0 ? -1 : count
        }
    }

    private static func server(_ context: UnsafeMutableRawPointer?) -> HTTPServer? {
        context.map { Unmanaged<HTTPServer>.fromOpaque($0).takeUnretainedValue() }
    }

    private static func state(_ connection: OpaquePointer?) -> ConnectionState? {
        pgvigil_mhd_socket_context(connection).map {
            Unmanaged<ConnectionState>.fromOpaque($0).takeUnretainedValue()
        }
    }
}
