import CCurl
import CShims
import Runtime

/// Sends requests over HTTP, many at once and on kept connections, by one thread of its own; each mail by another.
///
/// One sender has one address policy: a connection that it keeps was dialled under that policy too.
package final class HTTPSender: Sendable {
    /// Bounds on connections and on whom to trust.
    package struct Configuration: Sendable {
        /// Addresses that may be dialled.
        package var policy: AddressPolicy
        /// Connections open at once, over all receivers; further requests wait within their time.
        package var maxConnections: Int
        /// Connections open at once to one host.
        ///
        /// The store bounds what is on its way to each receiver; several may share a host, as all that are in one chat do,
        /// and one that hangs must not hold up the others.
        package var maxConnectionsPerHost: Int
        /// A file of certificates to trust instead of the system's.
        package var caFile: String?

        /// The defaults: public addresses, 128 connections, to one host as well.
        package init(
            policy: AddressPolicy = AddressPolicy(), maxConnections: Int = 128, maxConnectionsPerHost: Int = 128,
            caFile: String? = nil
        ) {
            self.policy = policy
            self.maxConnections = maxConnections
            self.maxConnectionsPerHost = maxConnectionsPerHost
            self.caFile = caFile
        }
    }

    private let configuration: Configuration
    private let inbox: Inbox

    /// Starts the thread.
    ///
    /// - Throws: kind closed, when the machine gives no thread or no memory.
    package init(_ configuration: Configuration = Configuration()) throws(HTTPFailure) {
        guard curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK, let multi = curl_multi_init() else {
            throw HTTPFailure(.closed, "no memory for an HTTP client")
        }
        self.configuration = configuration
        pgvigil_curl_multi_set(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, configuration.maxConnections)
        pgvigil_curl_multi_set(multi, CURLMOPT_MAX_HOST_CONNECTIONS, configuration.maxConnectionsPerHost)
        pgvigil_curl_multi_set(multi, CURLMOPT_MAXCONNECTS, configuration.maxConnections)
        let inbox = Inbox(multi)
        self.inbox = inbox
        let caFile = configuration.caFile
        do throws(OSThread.StartFailure) {
            try OSThread.start(name: "pgvigil-http") { HTTPLoop(inbox, caFile: caFile).run() }
        } catch {
            inbox.free()
            throw HTTPFailure(.closed, error.description)
        }
    }

    deinit { inbox.close() }

    /// Sends a request and waits for its answer, whatever its status.
    ///
    /// - Throws: ``HTTPFailure`` when there is no answer.
    package func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPReply {
        let place = Lock<HTTPTransfer?>(nil)
        let inbox = inbox
        let policy = configuration.policy
        let caFile = configuration.caFile
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let transfer = HTTPTransfer(request, policy: policy) { continuation.resume(returning: $0) }
                place.withLock { $0 = transfer }
                if Task.isCancelled { transfer.cancel() }
                if request.mail == nil { inbox.submit(transfer) } else { Self.startMail(transfer, caFile: caFile) }
            }
        } onCancel: {
            place.withLock { $0 }?.cancel()
            inbox.wake()
        }
        return try result.get()
    }

    private static func startMail(_ transfer: HTTPTransfer, caFile: String?) {
        do throws(OSThread.StartFailure) {
            try OSThread.start(name: "pgvigil-mail") { transfer.performMail(caFile: caFile) }
        } catch {
            transfer.end(.failure(HTTPFailure(.closed, error.description)))
        }
    }

    /// Takes no more requests; those on their way end by themselves.
    package func close() { inbox.close() }

    /// The way from tasks to the thread; the thread frees the curl handle, under the lock, when all is done.
    final class Inbox: @unchecked Sendable {  // Proof: the pointer is used under the lock, or by the thread alone.
        private struct State {
            var waiting: [HTTPTransfer] = []
            var isClosed = false
            var isFreed = false
        }

        let multi: UnsafeMutableRawPointer
        private let state = Lock(State())

        init(_ multi: UnsafeMutableRawPointer) { self.multi = multi }

        func submit(_ transfer: HTTPTransfer) {
            let isTaken = state.withLock { state in
                guard !state.isClosed else { return false }
                state.waiting.append(transfer)
                curl_multi_wakeup(multi)
                return true
            }
            if !isTaken { transfer.end(.failure(HTTPFailure(.closed, "the sender is closed"))) }
        }

        /// What was submitted since the last call.
        func take() -> [HTTPTransfer] {
            state.withLock { state in
                defer { state.waiting = [] }
                return state.waiting
            }
        }

        var isClosed: Bool { state.withLock { $0.isClosed && $0.waiting.isEmpty } }

        func wake() {
            state.withLock { state in
                if !state.isFreed { curl_multi_wakeup(multi) }
            }
        }

        func close() {
            state.withLock { state in
                state.isClosed = true
                if !state.isFreed { curl_multi_wakeup(multi) }
            }
        }

        func free() {
            state.withLock { state in
                state.isFreed = true
                curl_multi_cleanup(multi)
            }
        }
    }
}
