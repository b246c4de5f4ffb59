import Glibc

/// Bytes that are overwritten when the last holder lets go of them, and that nothing prints.
package final class SecretBytes: @unchecked Sendable {  // Proof: the bytes are set by init alone.
    private let storage: UnsafeMutableRawBufferPointer

    /// The number of bytes.
    package let count: Int

    /// Copies the bytes; wiping the source is the caller's.
    package convenience init(_ bytes: some Collection<UInt8>) {
        self.init(capacity: bytes.count) { buffer in
            buffer.copyBytes(from: bytes)
            return bytes.count
        }
    }

    /// Lets `fill` write up to `capacity` bytes and say how many they are.
    package init<E: Error>(
        capacity: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(E) -> Int
    ) throws(E) {
        let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: max(capacity, 1), alignment: 1)
        do throws(E) {
            count = try fill(UnsafeMutableRawBufferPointer(rebasing: storage[..<capacity]))
            self.storage = storage
        } catch {
            Self.wipe(storage)
            storage.deallocate()
            throw error
        }
    }

    deinit {
        Self.wipe(storage)
        storage.deallocate()
    }

    /// Lends the bytes; they must not be kept.
    package func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(storage)[..<count]))
    }

    /// Overwrites bytes in a way that the compiler may not leave out.
    package static func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
        if let start = bytes.baseAddress { explicit_bzero(start, bytes.count) }
    }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Nothing of the bytes.
    package var description: String { "(secret)" }

    /// The same: not even a debugger's output shows the bytes.
    package var debugDescription: String { description }

    /// Hides the bytes from `dump`.
    package var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
