import Postgres

/// A line of the file, fields apart by tabs, as COPY writes them: one series of a day, or a detail of the series before
/// it, which is a plus sign and an object of JSON.
///
/// Times are microseconds: the first since the day's start, each further one since the one before it. Values are the
/// shortest texts that read back as the same numbers.
struct ArchiveLine: Sendable, Equatable {
    /// The name of the format, in the first line and in the manifest.
    static let format = "pgvigil-archive/1"
    /// Tenant's id and name, metric, kind, labels, offsets, values.
    static let fieldCount = 7
    /// What a line begins with that says something beside the samples of the series above it.
    static let detailMark = "+"
    private static let dayMicroseconds = 86_400_000_000

    let fields: [String]

    /// The samples in it.
    let samples: Int

    /// Whether it is a detail.
    var isDetail: Bool { fields.count == 2 }

    /// What a reader that knows formats makes of a file's first line; nil for one that is not ours.
    static func formatVersion(ofHeading bytes: ArraySlice<UInt8>) -> String? {
        let word = String(decoding: bytes.prefix { $0 != 9 }.prefix(40), as: UTF8.self)
        let stem = format.prefix { $0 != "/" } + "/"
        guard word.hasPrefix(stem), word.count > stem.count, word.dropFirst(stem.count).allSatisfy(\.isNumber) else {
            return nil
        }
        return word
    }

    /// The first line of a file.
    static func heading(retentionClass: String, day: String) -> [UInt8] {
        Array("\(format)\t\(retentionClass)\t\(day)\n".utf8)
    }

    /// Takes a row of `archive_lines`.
    init(row: PostgresRow) throws(PostgresError) {
        if let detail = row["detail"] {
            fields = [Self.detailMark, detail]
            samples = 0
            return
        }
        var fields: [String] = []
        for column in ["tenant_id", "tenant", "metric", "kind", "labels", "offsets", "sample_values"] {
            fields.append(try row.decode(column))
        }
        self.fields = fields
        samples = try row.decode("samples")
    }

    /// Reads a line without its end.
    ///
    /// - Throws: kind damaged, for what is no line or whose times and values do not fit each other.
    init(bytes: ArraySlice<UInt8>) throws(ArchiveFault) {
        let parts = bytes.split(separator: 9, omittingEmptySubsequences: false)
        if parts.count == 2, parts[0].elementsEqual(Self.detailMark.utf8), parts[1].first == 123, parts[1].last == 125 {
            fields = [Self.detailMark, Self.unescaped(parts[1])]
            samples = 0
            return
        }
        guard parts.count == Self.fieldCount else {
            throw ArchiveFault(.damaged, "a line has \(parts.count) fields in place of \(Self.fieldCount)")
        }
        fields = parts.map { Self.unescaped($0) }
        samples = try Self.count(offsets: parts[5], values: parts[6])
    }

    /// The line with its end.
    var bytes: [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(fields.reduce(fields.count) { $0 + $1.utf8.count })
        for (index, field) in fields.enumerated() {
            if index > 0 { line.append(9) }
            Self.escape(field, onto: &line)
        }
        line.append(10)
        return line
    }

    private static func escape(_ text: String, onto line: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case 92: line += [92, 92]
            case 9: line += [92, 116]
            case 10: line += [92, 110]
            case 13: line += [92, 114]
            default: line.append(byte)
            }
        }
    }

    private static func unescaped(_ bytes: ArraySlice<UInt8>) -> String {
        guard bytes.contains(92) else { return String(decoding: bytes, as: UTF8.self) }
        var plain: [UInt8] = []
        var isEscaped = false
        for byte in bytes {
            if isEscaped {
                plain.append([116: 9, 110: 10, 114: 13][byte] ?? byte)
                isEscaped = false
            } else if byte == 92 {
                isEscaped = true
            } else {
                plain.append(byte)
            }
        }
        return String(decoding: plain, as: UTF8.self)
    }

    /// Times must grow and stay within the day, and there must be a value for each.
    private static func count(offsets: ArraySlice<UInt8>, values: ArraySlice<UInt8>) throws(ArchiveFault) -> Int {
        guard offsets.first == 123, offsets.last == 125, values.first == 123, values.last == 125 else {
            throw ArchiveFault(.damaged, "a line's times or values are no list")
        }
        if offsets.count == 2, values.count == 2 { return 0 }
        var (count, at, number) = (0, 0, -1)
        for byte in offsets.dropFirst() {
            if byte == 44 || byte == 125 {
                guard number > 0 || number == 0 && count == 0 else {
                    throw ArchiveFault(.damaged, "a line's times do not grow")
                }
                at += number
                count += 1
                number = -1
            } else {
                guard (48...57).contains(byte), number < dayMicroseconds else {
                    throw ArchiveFault(.damaged, "a line's times are no numbers")
                }
                number = max(number, 0) * 10 + Int(byte - 48)
            }
        }
        guard at < dayMicroseconds else { throw ArchiveFault(.damaged, "a line's times leave its day") }
        let found = values.reduce(1) { $0 + ($1 == 44 ? 1 : 0) }
        guard found == count else { throw ArchiveFault(.damaged, "a line has \(count) times and \(found) values") }
        return count
    }
}
