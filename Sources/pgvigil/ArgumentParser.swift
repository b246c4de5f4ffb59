/// Reads a command line: words, `--name value`, `--name=value`, `-n value`, `-nvalue`, `-abc`, and `--` that ends options.
struct ArgumentParser {
    /// What a command line says.
    struct Parsed: Sendable {
        /// The commands that were named, outermost first: `[migrate, up]`.
        var path: [Command] = []
        /// Values by long name; a flag's value is the empty string.
        var values: [String: [String]] = [:]
        var operands: [String] = []
        var wantsHelp = false
        var wantsVersion = false
    }

    private let root: Command
    private var words: ArraySlice<String>
    private var parsed = Parsed()

    init(root: Command, words: [String]) {
        self.root = root
        self.words = words[...]
    }

    /// Reads all words.
    /// - Throws: `CommandFault` of status usage, with a suggestion for a misspelt word.
    mutating func parse() throws(CommandFault) -> Parsed {
        while let word = words.popFirst() {
            if word == "--" {
                parsed.operands += words
                words = []
            } else if word.hasPrefix("--") {
                try longOption(word.dropFirst(2))
            } else if word.hasPrefix("-"), word.count > 1 {
                try shortOptions(word.dropFirst())
            } else {
                try plainWord(word)
            }
        }
        if !parsed.wantsHelp, !parsed.wantsVersion { try checkOperands() }
        return parsed
    }

    private var current: Command { parsed.path.last ?? root }

    private mutating func plainWord(_ word: String) throws(CommandFault) {
        if case .rest = current.operands {
            parsed.operands.append(word)
            parsed.operands += words
            words = []
            return
        }
        guard !current.subcommands.isEmpty else {
            parsed.operands.append(word)
            return
        }
        if word == "help" {
            parsed.wantsHelp = true
        } else if let command = current.subcommands.first(where: { $0.name == word }) {
            parsed.path.append(command)
        } else {
            throw unknown("command", word, among: current.subcommands.map(\.name))
        }
    }

    private mutating func longOption(_ text: Substring) throws(CommandFault) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        if name == "help" { return parsed.wantsHelp = true }
        if name == "version" { return parsed.wantsVersion = true }
        guard let option = current.options.first(where: { $0.name == name }) else {
            let known = current.options.map { "--\($0.name)" } + ["--help", "--version"]
            throw unknown("option", "--\(name)", among: known)
        }
        if parts.count == 2 {
            guard option.takesValue else { throw Self.usage("option --\(name) takes no value") }
            parsed.values[name, default: []].append(String(parts[1]))
        } else {
            try store(option, inline: nil)
        }
    }

    private mutating func shortOptions(_ text: Substring) throws(CommandFault) {
        var rest = text
        while let letter = rest.popFirst() {
            if letter == "h" {
                parsed.wantsHelp = true
            } else if let option = current.options.first(where: { $0.short == letter }) {
                try store(option, inline: option.takesValue && !rest.isEmpty ? String(rest) : nil)
                if option.takesValue { return }
            } else {
                throw unknown("option", "-\(letter)", among: [])
            }
        }
    }

    private mutating func store(_ option: CommandOption, inline: String?) throws(CommandFault) {
        guard option.takesValue else {
            parsed.values[option.name] = [""]
            return
        }
        guard let value = inline ?? words.popFirst() else {
            throw Self.usage("option --\(option.name) needs a value: --\(option.name) \(option.placeholder ?? "")")
        }
        parsed.values[option.name, default: []].append(value)
    }

    private func checkOperands() throws(CommandFault) {
        guard current.body != nil else {
            let names = current.subcommands.map(\.name).joined(separator: ", ")
            throw Self.usage("\(title) needs a command: \(names)", remedy: helpHint)
        }
        guard parsed.operands.count > current.operands.limit else { return }
        let extra = parsed.operands[current.operands.limit]
        throw Self.usage("unexpected \"\(extra)\" after \(title)", remedy: helpHint)
    }

    private var title: String { ([root.name] + parsed.path.map(\.name)).joined(separator: " ") }

    private var helpHint: String { "see \(title) --help" }

    private func unknown(_ what: String, _ word: String, among known: [String]) -> CommandFault {
        if let guess = Suggestion.nearest(to: word, among: known) {
            return Self.usage("unknown \(what) \"\(word)\"", remedy: "did you mean \"\(guess)\"?")
        }
        return Self.usage("unknown \(what) \"\(word)\"", remedy: helpHint)
    }

    private static func usage(_ message: String, remedy: String = "") -> CommandFault {
        CommandFault(.usage, message, remedy: remedy)
    }
}
