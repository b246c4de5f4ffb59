package import Runtime

/// Opens sealed secrets with the keys of the process, which are read again when one does not fit.
///
/// So that a key added to the file of a running service is found without a restart.
package final class SecretOpener: Sendable {
    private let source: KeySource
    private let keys: Lock<KeyRing?>

    /// Reads the keys now; there may be none.
    ///
    /// - Throws: a key file that cannot be used.
    package init(_ source: KeySource) throws(SecretFault) {
        self.source = source
        keys = Lock(try source.keysIfPresent())
    }

    /// Opens a secret that was sealed for this purpose.
    ///
    /// - Throws: as the keys do; kind noKey when there is none.
    package func open(_ sealed: String, context: String) throws(SecretFault) -> SecretBytes {
        if let ring = keys.withLock({ $0 }), let secret = try? ring.open(sealed, context: context) { return secret }
        let ring = try source.keys()
        keys.withLock { $0 = ring }
        return try ring.open(sealed, context: context)
    }
}
