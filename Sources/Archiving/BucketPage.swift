import Glibc

/// A page of the names in a bucket, as ListObjectsV2 answers.
struct BucketPage {
    /// Keys with the time they were written at, in seconds since 1970.
    let files: [(name: String, modifiedAt: Int)]
    /// What asks for the next page; nil on the last one.
    let next: String?

    /// Reads the answer, which is XML of a fixed shape.
    ///
    /// - Throws: kind place for what is no such answer.
    init(text: String) throws(ArchiveFault) {
        guard text.contains("<ListBucketResult"), text.contains("</ListBucketResult>") else {
            throw ArchiveFault(.place, "the bucket's answer is no list of names")
        }
        var files: [(name: String, modifiedAt: Int)] = []
        var rest = text[...]
        while let start = rest.firstRange(of: "<Contents>"), let end = rest.firstRange(of: "</Contents>") {
            guard start.upperBound <= end.lowerBound else { break }
            let entry = rest[start.upperBound..<end.lowerBound]
            rest = rest[end.upperBound...]
            guard let name = Self.element("Key", entry), let time = Self.element("LastModified", entry),
                let modifiedAt = Self.seconds(time)
            else { throw ArchiveFault(.place, "the bucket's list of names is not understood") }
            files.append((name, modifiedAt))
        }
        self.files = files
        next = Self.element("IsTruncated", text[...]) == "true" ? Self.element("NextContinuationToken", text[...]) : nil
    }

    private static func element(_ name: String, _ text: Substring) -> String? {
        guard let start = text.firstRange(of: "<\(name)>"),
            let end = text[start.upperBound...].firstRange(of: "</\(name)>")
        else { return nil }
        return unescaped(text[start.upperBound..<end.lowerBound])
    }

    /// The five names and the numbers of characters that XML knows.
    private static func unescaped(_ text: Substring) -> String {
        guard text.contains("&") else { return String(text) }
        let parts = text.split(separator: "&", omittingEmptySubsequences: false)
        return parts.dropFirst().reduce(into: String(parts.first ?? "")) { plain, part in
            let pieces = part.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)
            guard pieces.count == 2, let character = character(pieces[0]) else {
                plain += "&\(part)"
                return
            }
            plain += "\(character)\(pieces[1])"
        }
    }

    private static func character(_ entity: Substring) -> Character? {
        if let known = ["amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'"][String(entity)] {
            return Character(known)
        }
        let code =
            entity.hasPrefix("#x")
            ? UInt32(entity.dropFirst(2), radix: 16) : entity.hasPrefix("#") ? UInt32(entity.dropFirst()) : nil
        return code.flatMap { Unicode.Scalar($0) }.map { Character($0) }
    }

    /// Of a time such as 2026-01-09T01:02:03.000Z.
    private static func seconds(_ time: String) -> Int? {
        let numbers = time.prefix(19).split { !$0.isNumber }.compactMap { Int32($0) }
        guard numbers.count == 6, time.hasSuffix("Z") else { return nil }
        var utc = tm()
        (utc.tm_year, utc.tm_mon, utc.tm_mday) = (numbers[0] - 1900, numbers[1] - 1, numbers[2])
        (utc.tm_hour, utc.tm_min, utc.tm_sec) = (numbers[3], numbers[4], numbers[5])
        return timegm(&utc)
    }
}
