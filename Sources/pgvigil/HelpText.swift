/// The help of a command, made from its definition so that it cannot lag behind; it fits a screen of 80 by 24.
enum HelpText {
    private static let screenWidth = 80

    /// All lines, the last one ending in a newline.
    static func text(root: Command, path: [Command]) -> String {
        let command = path.last ?? root
        let title = ([root.name] + path.map(\.name)).joined(separator: " ")
        var lines = ["\(title): \(command.summary)", "", "usage: \(usage(command, title))"]
        if !command.details.isEmpty { lines += [""] + command.details.flatMap { wrapped($0, width: screenWidth) } }
        if !command.subcommands.isEmpty {
            lines += [""] + table(command.subcommands.map { ($0.name, $0.summary) })
        }
        let options = command.options.filter { !$0.isRare }.map { (left($0), $0.summary) }
        if !options.isEmpty { lines += ["", "options:"] + table(options) }
        let rare = command.options.filter(\.isRare).map { "--\($0.name)" }.joined(separator: ", ")
        if !rare.isEmpty { lines += wrapped("More, in docs/operations.md: \(rare)", width: screenWidth) }
        lines += footer(command, title)
        return lines.joined(separator: "\n") + "\n"
    }

    private static func usage(_ command: Command, _ title: String) -> String {
        var words = [title]
        if !command.subcommands.isEmpty { words.append("COMMAND") }
        if !command.options.isEmpty || !command.subcommands.isEmpty { words.append("[OPTION...]") }
        if !command.operands.placeholder.isEmpty { words.append(command.operands.placeholder) }
        return words.joined(separator: " ")
    }

    private static func left(_ option: CommandOption) -> String {
        let short = option.short.map { "-\($0), " } ?? ""
        return "\(short)--\(option.name)" + (option.placeholder.map { " \($0)" } ?? "")
    }

    private static func footer(_ command: Command, _ title: String) -> [String] {
        if let option = command.options.first {
            return [
                "", "Every option can be set in the environment too: --\(option.name) as \(option.environmentName).",
            ]
        }
        guard !command.subcommands.isEmpty else { return [] }
        let statuses = title.contains(" ") ? "" : "; exit statuses: docs/errors.md"
        return ["", "More on a command: \(title) COMMAND --help\(statuses)"]
    }

    private static func table(_ rows: [(String, String)]) -> [String] {
        let width = rows.map(\.0.count).max() ?? 0
        return rows.flatMap { row in
            let parts = wrapped(row.1, width: screenWidth - width - 4)
            return parts.enumerated().map { index, part in
                let head = index == 0 ? row.0 : ""
                return "  \(head)\(String(repeating: " ", count: width - head.count + 2))\(part)"
            }
        }
    }

    /// Words set in lines of at most so many characters.
    private static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
