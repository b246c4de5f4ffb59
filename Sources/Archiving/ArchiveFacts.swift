import Postgres

/// What a manifest says of a file: enough to tell whether it is whole.
package struct ArchiveFacts: Sendable, Equatable {
    /// The retention class.
    package var retentionClass: String
    /// The day of UTC, such as 2026-11-20.
    package var day: String
    /// Samples.
    package var rows = 0
    /// Series.
    package var series = 0
    /// Rows of what was said beside samples.
    package var details = 0
    /// Size of what is packed in the file.
    package var contentBytes = 0
    /// SHA-256 of that.
    package var contentSHA256 = ""
    /// Size of the file.
    package var fileBytes = 0
    /// SHA-256 of the file.
    package var fileSHA256 = ""
    /// Time of the first sample, in UTC.
    package var firstSampleAt = ""
    /// Time of the last sample, in UTC.
    package var lastSampleAt = ""

    /// Nothing is known yet but the class and the day.
    init(retentionClass: String, day: String) {
        self.retentionClass = retentionClass
        self.day = day
    }

    /// Reads a row of `archive_facts`.
    init(row: PostgresRow) throws(PostgresError) {
        retentionClass = try row.decode("retention_class")
        day = try row.decode("day")
        rows = try row.decode("row_count")
        series = try row.decode("series_count")
        details = try row.decode("detail_count")
        contentBytes = try row.decode("content_bytes")
        contentSHA256 = try row.decode("content_sha256")
        fileBytes = try row.decode("file_bytes")
        fileSHA256 = try row.decode("file_sha256")
        firstSampleAt = try row.decode("first_sample_at")
        lastSampleAt = try row.decode("last_sample_at")
    }

    /// The manifest: one object of JSON, byte for byte what stands beside the file.
    ///
    /// Nothing in it needs escapes: names of classes are plain words, the rest are numbers, digits and times. Where nothing
    /// was said beside samples it is as it was before there were details.
    package var manifest: String {
        """
        {
          "format": "\(ArchiveLine.format)",
          "retention_class": "\(retentionClass)",
          "day": "\(day)",
          "rows": \(rows),
          "series": \(series),\(details == 0 ? "" : "\n  \"details\": \(details),")
          "first_sample_at": "\(firstSampleAt)",
          "last_sample_at": "\(lastSampleAt)",
          "content_bytes": \(contentBytes),
          "content_sha256": "\(contentSHA256)",
          "file_bytes": \(fileBytes),
          "file_sha256": "\(fileSHA256)"
        }

        """
    }
}
