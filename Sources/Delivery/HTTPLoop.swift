import CCurl
import CShims
import Runtime

/// The thread of a sender: drives all transfers, and keeps handles for the next ones.
final class HTTPLoop {
    private let inbox: HTTPSender.Inbox
    private let caFile: String?
    private var transfers: [UnsafeMutableRawPointer: HTTPTransfer] = [:]
    private var idle: [UnsafeMutableRawPointer] = []
    /// Handles kept for later: as many as work at once as a rule.
    private static let keptHandles = 128

    init(_ inbox: HTTPSender.Inbox, caFile: String?) {
        self.inbox = inbox
        self.caFile = caFile
    }

    /// Returns when the sender is closed and nothing is on its way.
    func run() {
        var running: Int32 = 0
        while true {
            for transfer in inbox.take() { start(transfer) }
            curl_multi_perform(inbox.multi, &running)
            collect()
            withdraw()
            if transfers.isEmpty && inbox.isClosed { break }
            curl_multi_poll(inbox.multi, nil, 0, 1000, nil)
        }
        for handle in idle { curl_easy_cleanup(handle) }
        inbox.free()
    }

    private func start(_ transfer: HTTPTransfer) {
        guard let handle = idle.popLast() ?? curl_easy_init() else {
            return transfer.end(.failure(HTTPFailure(.broken, "out of memory")))
        }
        if let failure = transfer.prepare(handle, caFile: caFile) {
            keep(handle)
            return transfer.end(.failure(failure))
        }
        transfers[handle] = transfer
        curl_multi_add_handle(inbox.multi, handle)
    }

    private func collect() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(inbox.multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
            let code = message.pointee.data.result
            guard let transfer = transfers.removeValue(forKey: handle) else { continue }
            let result = transfer.result(of: code, handle)
            curl_multi_remove_handle(inbox.multi, handle)
            keep(handle)
            transfer.end(result)
        }
    }

    private func withdraw() {
        for (handle, transfer) in transfers where transfer.isCancelled {
            transfers[handle] = nil
            curl_multi_remove_handle(inbox.multi, handle)
            keep(handle)
            transfer.end(.failure(HTTPFailure(.cancelled, "the request was cancelled")))
        }
    }

    private func keep(_ handle: UnsafeMutableRawPointer) {
        curl_easy_reset(handle)
        if idle.count < Self.keptHandles { idle.append(handle) } else { curl_easy_cleanup(handle) }
    }
}
