import Glibc
import Runtime

/// A password from where others cannot see it: a file, standard input, or a terminal without echo.
struct PasswordInput {
    /// The longest password that is taken.
    private static let limit = 4096

    let invocation: Invocation
    /// What the prompt names.
    let purpose: String
    /// The option that names a file.
    var option = "password-file"
    /// What it is.
    var noun = "password"

    /// Reads it: from `--password-file`, else a terminal, else standard input to its end.
    ///
    /// - Throws: `CommandFault` when there is none.
    func read() throws(CommandFault) -> SecretBytes {
        let secret: SecretBytes
        if let path = invocation.value(option) {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
            guard descriptor >= 0 else {
                let reason = String(cString: strerror(errno))
                throw CommandFault(.usage, "cannot read the \(noun) file \(path): \(reason)")
            }
            defer { close(descriptor) }
            secret = try contents(of: descriptor)
        } else if isatty(0) == 1 {
            secret = try prompt()
        } else {
            secret = try contents(of: 0)
        }
        guard secret.count > 0 else {
            throw CommandFault(
                .usage, "the \(noun) is empty",
                remedy: "give it by --\(option) FILE or on standard input"
                    + (noun == "password" ? ", or say --no-password" : ""))
        }
        return secret
    }

    /// Everything up to the end of the file, without the line's end.
    private func contents(of descriptor: Int32) throws(CommandFault) -> SecretBytes {
        try SecretBytes(capacity: Self.limit) { (buffer) throws(CommandFault) in
            var count = 0
            while count < buffer.count {
                let part = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count)
                if part < 0, errno == EINTR { continue }
                guard part > 0 else { return Self.withoutLineEnd(buffer, count) }
                count += part
            }
            throw CommandFault(.usage, "a \(noun) has no more than \(Self.limit - 1) bytes")
        }
    }

    /// Asks on the terminal, which shows nothing of the answer and is as before afterwards.
    private func prompt() throws(CommandFault) -> SecretBytes {
        var before = termios()
        tcgetattr(0, &before)
        var quiet = before
        quiet.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(0, TCSAFLUSH, &quiet)
        defer {
            tcsetattr(0, TCSAFLUSH, &before)
            Terminal.write("\n", to: 2)
        }
        Terminal.write("\(noun) for \(purpose): ", to: 2)
        return try SecretBytes(capacity: Self.limit) { (buffer) throws(CommandFault) in
            var waited = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
            while poll(&waited, 1, 100) <= 0 {
                guard !invocation.shutdown.isRequested else { throw CommandFault(.failed, "interrupted") }
            }
            return Self.withoutLineEnd(buffer, max(0, Glibc.read(0, buffer.baseAddress, buffer.count)))
        }
    }

    private static func withoutLineEnd(_ buffer: UnsafeMutableRawBufferPointer, _ count: Int) -> Int {
        var count = count
        if count > 0, buffer[count - 1] == 10 { count -= 1 }
        if count > 0, buffer[count - 1] == 13 { count -= 1 }
        return count
    }
}
