import CShims
import Glibc

extension ChildProcess {
    /// What a program said and how it ended.
    package struct Report: Sendable {
        /// How it ended.
        package let ending: Ending
        /// Standard output and, unless sent elsewhere, standard error.
        package let output: String

        /// Whether it returned 0.
        package var isSuccess: Bool { ending == .exited(0) }
    }

    /// Runs a program to its end and returns what it wrote.
    ///
    /// A program that leaves children behind must not let them keep its standard output: this would wait for them. One that
    /// `isCancellable` is sent SIGTERM when the task is cancelled.
    package static func run(
        _ arguments: [String], environment: [String: String], directory: String? = nil, input: Stream = .null,
        errors: Stream? = nil, isCancellable: Bool = false
    ) async throws(StartFailure) -> Report {
        var ends: [Int32] = [-1, -1]
        guard pgvigil_pipe(&ends) == 0 else { throw StartFailure(program: arguments.first ?? "", code: errno) }
        let (readEnd, writeEnd) = (ends[0], ends[1])
        let child: ChildProcess
        do {
            defer { close(writeEnd) }
            child = try ChildProcess(
                arguments, environment: environment, directory: directory, input: input,
                output: .descriptor(writeEnd), errors: errors ?? .descriptor(writeEnd))
        } catch {
            close(readEnd)
            throw error
        }
        return await withTaskCancellationHandler {
            let output = await readAll(readEnd)
            return Report(ending: await child.wait(), output: output)
        } onCancel: {
            if isCancellable { child.signal(SIGTERM) }
        }
    }

    /// Reads to the end on a thread of its own and closes the descriptor.
    package static func readAll(_ descriptor: Int32) async -> String {
        await withCheckedContinuation { continuation in
            let read: @Sendable () -> Void = {
                var bytes: [UInt8] = []
                var part = [UInt8](repeating: 0, count: 16_384)
                while true {
                    let count = Glibc.read(descriptor, &part, part.count)
                    if count < 0 && errno == EINTR { continue }
                    guard count > 0 else { break }
                    bytes += part[..<count]
                }
                close(descriptor)
                continuation.resume(returning: String(decoding: bytes, as: UTF8.self))
            }
            do { try OSThread.start(name: "child output", stackSize: 128 * 1024, read) } catch { read() }
        }
    }
}
