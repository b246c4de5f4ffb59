import Glibc
import Runtime
import Secrets

extension Command {
    /// `pgvigil key`: the key that secrets are sealed with.
    static let key = Command(
        name: "key",
        summary: "make keys that secrets are sealed with",
        subcommands: [
            Command(
                name: "new", summary: "make a key",
                options: [.value("output", "FILE", "write it to FILE, which must not exist, mode 0600")],
                details: [
                    "Without --output the key is printed. Keep a copy where the database's backups",
                    "are not: who has both can open every secret, who loses it can open none.",
                    "To change keys, put the new one on top of the file, restart the service, and",
                    "run: pgvigil targets rotate --all",
                ],
                body: { try KeyCommand.new($0) })
        ])
}

extension CommandOption {
    /// The option of every command that seals or opens secrets.
    static let keyFile = value("key-file", "FILE", "the file of keys (else PGVIGIL_KEY, or systemd's)")
}

extension Invocation {
    /// The keys, from the first place that is there.
    ///
    /// - Throws: `CommandFault` of status noUsableKey.
    func keys() throws(CommandFault) -> KeyRing {
        do throws(SecretFault) {
            return try keySource.keys()
        } catch {
            throw CommandFault(error)
        }
    }

    /// Where the keys are looked for.
    var keySource: KeySource {
        KeySource(file: value("key-file"), environment: ProcessEnvironment.variables())
    }
}

extension ExitStatus {
    /// There is no key for sealed secrets, or it cannot be used.
    static let noUsableKey = ExitStatus(code: 20)
    /// A sealed secret does not open.
    static let sealedShut = ExitStatus(code: 21)
}

extension CommandFault {
    /// What the user is told about a fault of keys and secrets.
    init(_ fault: SecretFault) {
        let status: ExitStatus =
            switch fault.kind {
            case .noKey, .unfitKeyFile, .malformedKey, .noRandomness: .noUsableKey
            case .malformedSecret, .unknownKey, .notAuthentic: .sealedShut
            }
        self.init(status, fault.message, remedy: fault.remedy)
    }
}

private enum KeyCommand {
    static func new(_ invocation: Invocation) throws -> ExitStatus {
        let key: SealingKey
        do throws(SecretFault) {
            key = try SealingKey.generate()
        } catch {
            throw CommandFault(error)
        }
        guard let path = invocation.value("output") else {
            Terminal.print(key.text)
            return .ok
        }
        try write(key.text + "\n", to: path)
        Terminal.print("key \(key.id) is in \(path); name it by --key-file or PGVIGIL_KEY_FILE")
        return .ok
    }

    /// Makes the file for us alone; one that is there stays as it is, for it may be the only copy of a key.
    private static func write(_ text: String, to path: String) throws(CommandFault) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let code = errno
            let reason = String(cString: strerror(code))
            throw CommandFault(
                .failed, "cannot make \(path): \(reason)",
                remedy: code == EEXIST ? "keys are never overwritten; name another file" : "name another file")
        }
        defer { close(descriptor) }
        fchmod(descriptor, 0o600)
        Terminal.write(text, to: descriptor)
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw CommandFault(
                .failed, "cannot write \(path): \(String(cString: strerror(errno)))", remedy: "name another file")
        }
    }
}
