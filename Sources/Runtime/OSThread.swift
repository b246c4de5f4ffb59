import CShims
import Glibc

/// A thread of the operating system, for work that blocks or must not depend on Swift's small pool of threads.
package enum OSThread {
    /// The machine refused to start a thread.
    package struct StartFailure: Error, Sendable, CustomStringConvertible {
        /// The error number of `pthread_create`.
        package let code: Int32

        /// A line that is safe to log.
        package var description: String { "cannot start a thread: \(String(cString: strerror(code)))" }
    }

    private final class Start {
        let name: String
        let body: () -> Void

        init(name: String, body: @escaping () -> Void) {
            self.name = name
            self.body = body
        }

        func run() {
            name.withCString { pgvigil_name_thread($0) }
            body()
        }
    }

    /// Starts a detached thread; `stackSize` is in bytes, `name` is cut to the 15 bytes that Linux shows.
    package static func start(
        name: String, stackSize: Int = 512 * 1024, _ body: sending @escaping () -> Void
    ) throws(StartFailure) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackSize)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, &attributes,
            { context in
                guard let context else { return nil }
                Unmanaged<Start>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw StartFailure(code: code)
        }
    }
}
