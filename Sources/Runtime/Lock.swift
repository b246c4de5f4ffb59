import Glibc

/// A value that is touched only while a pthread mutex is held.
///
/// Used instead of `Synchronization.Mutex`, whose accesses the thread sanitizer reports although they are ordered.
/// Never await and never call foreign code inside `withLock`.
package final class Lock<Value>: @unchecked Sendable {  // Proof: `value` is reached through `withLock` alone.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private var value: Value

    /// Guards `value` from now on.
    package init(_ value: sending Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Runs `body` alone with the value.
    package func withLock<R, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
