import CLibPQ
import Runtime

/// What is needed to cancel the running statement of one session from another thread.
final class CancelHandle: @unchecked Sendable {  // Proof: a PGcancel never changes, and PQcancel only reads it.
    private let pointer: OpaquePointer

    init?(_ connection: OpaquePointer) {
        guard let pointer = PQgetCancel(connection) else { return nil }
        self.pointer = pointer
    }

    deinit { PQfreeCancel(pointer) }

    /// Sends the request on a thread of its own, because it blocks as long as the postmaster does not answer.
    ///
    /// When `whenDone` runs, the server has passed the request on to the session, or never will.
    func send(whenDone: @escaping @Sendable () -> Void) {
        do {
            try OSThread.start(name: "pg cancel", stackSize: 256 * 1024) {
                var text = [CChar](repeating: 0, count: 256)
                _ = PQcancel(self.pointer, &text, Int32(text.count))
                whenDone()
            }
        } catch {
            whenDone()
        }
    }
}
