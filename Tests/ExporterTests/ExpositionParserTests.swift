import TestSupport
import Testing

/// The parser that judges our pages must itself refuse what is wrong.
@Suite struct ExpositionParserTests {
    static let head = "# HELP m Help.\n# TYPE m gauge\n"

    @Test func acceptsAValidPage() throws {
        let families = try ExpositionParser.parse(
            Self.head + "m 1\nm{a=\"x\\\"\\\\\\ny,}\",b=\"\"} +Inf\n"
                + "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"
        )
        #expect(families.map(\.name) == ["m", "h"])
        #expect(families.first?.samples.last?.labels == ["a": "x\"\\\ny,}", "b": ""])
    }

    static let broken: [(String, String)] = [
        ("", "E-08 no line end at all"),
        ("\(head)m 1", "no newline at the end"),
        ("\(head)m 1\\n# TYPE n gauge\\n", "E-08: backslash-n printed"),
        ("# TYPE m gauge\nm 1\n", "E-07: no HELP"),
        ("\(head)m{a=\"1\"} 1\n\(head)m{a=\"2\"} 1\n", "E-07: TYPE repeated per series"),
        ("\(head)m{\"business_id\": \"x\"} 1\n", "E-06: JSON as labels"),
        ("\(head)m-x 1\n", "E-09: a bad name"),
        ("\(head)m{a=\"x\"y\"} 1\n", "E-09: a quote not escaped"),
        ("\(head)m{a=\"1\"} 1\nm{a=\"1\"} 2\n", "E-09: two samples of one series"),
        ("\(head)m{a=\"1\",a=\"2\"} 1\n", "a label twice"),
        ("\(head)m Infinity\n", "a bad number"),
        ("\(head)n 1\n", "a sample outside its family"),
        ("\(head)", "a family without samples"),
        ("# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 3\nh_count 2\n", "no +Inf"),
        (
            "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n",
            "falling"
        ),
    ]

    @Test(arguments: broken)
    func refuses(page: String, why: String) {
        #expect(throws: ExpositionParser.Fault.self, "\(why)") { try ExpositionParser.parse(page) }
    }
}
