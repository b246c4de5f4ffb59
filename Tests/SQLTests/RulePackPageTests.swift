import Foundation
import Postgres
import TestSupport
import Testing

/// docs/rules.md shows every rule of the pack as it is shipped.
@Suite struct RulePackPageTests {
    private static let page = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "docs/rules.md")

    @Test func thePageShowsEveryRuleAsItIsShipped() async throws {
        let text = try String(contentsOf: Self.page, encoding: .utf8)
        let section = try #require(text.components(separatedBy: "## The rules\n").last)
        let listed = section.split(separator: "\n").map(String.init).filter { $0.hasPrefix("| `") }
        let actual = try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            let rows = try await connection.query(Self.rows)
            await connection.close()
            return rows.compactMap { $0["line"] }
        }
        #expect(actual.count > 40)
        let missing = actual.filter { !listed.contains($0) }.joined(separator: "\n")
        #expect(missing.isEmpty, "not on the page, or otherwise:\n\(missing)")
        let surplus = listed.filter { !actual.contains($0) }.joined(separator: "\n")
        #expect(surplus.isEmpty, "on the page only:\n\(surplus)")
        #expect(text.contains("loads \(actual.count) alert rules"))
    }

    /// One line of the page for each rule.
    private static let rows = """
        select format(
            '| `%s` | %s | %s | %s | %s | %s |', rule.name,
            concat_ws(
                ', ', '`' || (rule.d ->> 'metric_name') || '`',
                case rule.d ->> 'condition_type'
                    when 'ratio' then 'share of another' when 'trend' then 'forecast'
                    when 'anomaly' then 'against its own past' when 'absence' then 'absent' end,
                format('%s of %s', rule.d ->> 'aggregate', rule.d ->> 'evaluation_window')),
            level.words[1], level.words[2],
            concat_ws(' / ', rule.d ->> 'warning_recovery', rule.d ->> 'critical_recovery'),
            split_part(rule.d ->> 'rationale', '. ', 1)
                || case when strpos(rule.d ->> 'rationale', '. ') > 0 then '.' else '' end) as line
        from (
            select pack.definition as d, pack.rule_name as name, pack.rule_category as category,
                case pack.definition ->> 'comparison_operator'
                    when 'gt' then '> ' when 'gte' then '≥ ' when 'lt' then '< ' when 'ne' then '≠ ' else ''
                end as sign
            from monitoring.alert_pack as pack
        ) as rule
        cross join lateral (
            select array_agg(
                case
                    when rule.d ? (grade || '_threshold')
                        then rule.sign || (rule.d ->> (grade || '_threshold'))
                            || coalesce(' for ' || (rule.d ->> (grade || '_for')), '')
                    when rule.d ->> 'condition_type' = 'anomaly'
                        then 'unusual' || coalesce(' for ' || (rule.d ->> (grade || '_for')), '')
                    when rule.d ->> 'condition_type' = 'absence' and grade = 'critical' then 'no sample'
                    else ''
                end || coalesce(
                    ', ' || (rule.d ->> case grade when 'warning' then 'warning_severity' else 'severity' end), '')
                order by place) as words
            from unnest(array['warning', 'critical']) with ordinality as level (grade, place)
        ) as level
        order by rule.category, rule.name
        """
}
