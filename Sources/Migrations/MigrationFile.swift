/// One versioned file `migrations/NNNN_words.sql`.
package struct MigrationFile: Sendable, Equatable {
    /// The four digits that begin the name.
    package let version: String
    package let file: SQLFile
    package let directives: Set<Directive>
    package let statements: [SQLStatement]
    /// The first line of comment that is no directive.
    package let description: String
    /// `NNNN_words.down.sql` beside it, if there is one.
    let rollback: SQLFile?

    /// The text of the file that undoes it, kept in the ledger for the record.
    package var rollbackText: String? { rollback?.text }

    package var name: String { file.name }
    package var runsInTransaction: Bool { !directives.contains(.noTransaction) }
    package var isBreaking: Bool { directives.contains(.breaking) }

    /// Reads and checks one file.
    /// - Throws: `MigrationFault` of kind invalidFile, naming the file and the line.
    init(_ file: SQLFile, rollback: SQLFile? = nil) throws(MigrationFault) {
        try self.init(file, version: try Self.version(of: file), rollback: rollback)
    }

    /// The file that undoes it, checked as a migration is; nil when there is none.
    /// - Throws: `MigrationFault` of kind invalidFile.
    func downFile() throws(MigrationFault) -> MigrationFile? {
        guard let rollback else { return nil }
        return try MigrationFile(rollback, version: version, rollback: nil)
    }

    private init(_ file: SQLFile, version: String, rollback: SQLFile?) throws(MigrationFault) {
        self.file = file
        self.rollback = rollback
        self.version = version
        self.statements = StatementSplitter.statements(of: file.text)
        self.directives = try Self.directives(of: file, before: statements.first?.line)
        self.description = Self.description(of: file.text)
        try checkStatements()
    }

    /// Every migration among the files, in order of version.
    /// - Throws: `MigrationFault` of kind invalidFile for a bad name, directive, statement or a version given twice.
    static func all(in files: [SQLFile]) throws(MigrationFault) -> [MigrationFile] {
        let own = files.filter { $0.path.hasPrefix("migrations/") }
        let down = Dictionary(own.filter { $0.path.hasSuffix(".down.sql") }.map { ($0.path, $0) }) { $1 }
        var migrations: [MigrationFile] = []
        for file in own where !file.path.hasSuffix(".down.sql") {
            let migration = try MigrationFile(file, rollback: down[file.path.dropLast(4) + ".down.sql"])
            if let other = migrations.last, other.version == migration.version {
                throw .invalidFile(
                    "migrations \(other.name) and \(migration.name) have the same version",
                    remedy: "give the one that was not released yet the next free number")
            }
            migrations.append(migration)
        }
        return migrations
    }
}

// MARK: Reading

extension MigrationFile {
    private static func version(of file: SQLFile) throws(MigrationFault) -> String {
        let digits = file.name.prefix(4)
        let words = file.name.dropFirst(4)
        let isPlain = words.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte == UInt8(ascii: "_")
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard digits.count == 4, digits.utf8.allSatisfy({ (48...57).contains($0) }), words.hasPrefix("_"),
            words.count > 1, isPlain, file.path.split(separator: "/").count == 2
        else {
            throw .invalidFile(
                "\(file.path) is no name of a migration",
                remedy: "name it migrations/NNNN_words.sql: four digits, then lower-case words joined by _")
        }
        return String(digits)
    }

    private static func directives(of file: SQLFile, before first: Int?) throws(MigrationFault) -> Set<Directive> {
        var found: Set<Directive> = []
        let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() where line.hasPrefix("--!") {
            let word = String(line.dropFirst(3).filter { $0 != " " && $0 != "\t" })
            guard let directive = Directive(rawValue: word) else {
                throw .invalidFile(
                    "\(file.path):\(index + 1): unknown directive \"\(word)\"",
                    remedy: "the directives are "
                        + Directive.allCases.map { "--! \($0.rawValue)" }.joined(separator: ", "))
            }
            if let first, index + 1 > first {
                throw .invalidFile(
                    "\(file.path):\(index + 1): a directive stands at the top of its file",
                    remedy: "move \"--! \(word)\" above the first statement")
            }
            found.insert(directive)
        }
        return found
    }

    private static func description(of text: String) -> String {
        for line in text.split(separator: "\n") where line.hasPrefix("--") && !line.hasPrefix("--!") {
            let words = line.drop { $0 == "-" || $0 == " " }
            if !words.isEmpty { return String(words) }
        }
        return ""
    }
}

// MARK: Checking

extension MigrationFile {
    private func checkStatements() throws(MigrationFault) {
        if !runsInTransaction, statements.count != 1 {
            throw .invalidFile(
                "\(file.path) holds \(statements.count) statements and runs outside a transaction",
                remedy: "a file with \"--! no-transaction\" holds exactly one statement; split it")
        }
        for statement in statements {
            let words = statement.leadingWords()
            let place = "\(file.path):\(statement.line)"
            if statement.text.hasPrefix("\\") {
                throw .invalidFile(
                    "\(place): a psql command cannot run in a migration",
                    remedy: "write it as SQL; only psql knows commands that begin with a backslash")
            }
            if Self.endsTransaction(words) {
                throw .invalidFile(
                    "\(place): \"\(words.prefix(2).joined(separator: " "))\" would end the migration's transaction",
                    remedy: "leave it out: each file is one transaction already")
            }
            if words.starts(with: ["create", "database"]) || words.starts(with: ["drop", "database"]) {
                throw .invalidFile(
                    "\(place): a migration cannot make or drop a database",
                    remedy: "make the database first, then connect to it and migrate")
            }
            if runsInTransaction, Self.needsNoTransaction(words) {
                throw .invalidFile(
                    "\(place): \"\(words.prefix(3).joined(separator: " "))\" cannot run in a transaction",
                    remedy: "put it alone into a file that begins with \"--! no-transaction\"")
            }
        }
    }

    private static func endsTransaction(_ words: [String]) -> Bool {
        guard let first = words.first else { return false }
        return ["begin", "commit", "rollback", "abort", "end", "savepoint", "release"].contains(first)
            || words.starts(with: ["start", "transaction"]) || words.starts(with: ["prepare", "transaction"])
    }

    private static func needsNoTransaction(_ words: [String]) -> Bool {
        switch words.first {
        case "vacuum": true
        case "reindex": words.contains("concurrently")
        case "create", "drop": words.prefix(4).contains("index") && words.prefix(5).contains("concurrently")
        case "alter": words.starts(with: ["alter", "system"])
        default: false
        }
    }
}

extension MigrationFault {
    static func invalidFile(_ message: String, remedy: String) -> MigrationFault {
        MigrationFault(.invalidFile, message, remedy: remedy)
    }
}
