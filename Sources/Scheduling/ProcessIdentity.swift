import Glibc

/// Which process this is, for people.
package struct ProcessIdentity: Sendable {
    /// The machine's name.
    package let hostName: String
    /// The process there.
    package let id: Int32

    /// This process.
    package init() {
        var buffer = [CChar](repeating: 0, count: 256)
        let isKnown = gethostname(&buffer, buffer.count - 1) == 0
        hostName =
            isKnown ? String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : ""
        id = getpid()
    }
}
