import Runtime

/// Work that blocks, on a thread of its own.
enum Blocking {
    /// Runs `body` and waits for it without holding one of Swift's few threads.
    static func run<R: Sendable>(
        _ body: @escaping @Sendable () throws(ArchiveFault) -> R
    ) async throws(ArchiveFault) -> R {
        let result: Result<R, ArchiveFault> = await withCheckedContinuation { continuation in
            do throws(OSThread.StartFailure) {
                try OSThread.start(name: "archive") {
                    do throws(ArchiveFault) {
                        continuation.resume(returning: .success(try body()))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
            } catch {
                continuation.resume(returning: .failure(ArchiveFault(.place, error.description)))
            }
        }
        return try result.get()
    }
}
