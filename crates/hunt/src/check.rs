//! Whether a query keeps to what both engines read alike: the one here, and Trino's, which Athena is. It looks at the words of
//! the query, so it can miss something; what it names is a difference for certain.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

/// A difference between the engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The line in the text, from 1.
    pub line: u64,
    /// What is written.
    pub written: String,
    /// Why it is none of what both read alike, and what to write instead.
    pub instead: &'static str,
}

/// Functions that both have, and that mean the same.
const FUNCTIONS: [&str; 40] = [
    "abs",
    "array_agg",
    "array_join",
    "avg",
    "bool_and",
    "bool_or",
    "cast",
    "ceil",
    "coalesce",
    "concat",
    "count",
    "date_trunc",
    "dense_rank",
    "exists",
    "filter",
    "first_value",
    "floor",
    "greatest",
    "in",
    "lag",
    "last_value",
    "lead",
    "least",
    "length",
    "lower",
    "max",
    "min",
    "nullif",
    "over",
    "rank",
    "replace",
    "round",
    "row_number",
    "split_part",
    "strpos",
    "substr",
    "sum",
    "trim",
    "upper",
    "values",
];
/// Words before a bracket that are no functions.
const NO_FUNCTIONS: [&str; 17] = [
    "and", "as", "by", "case", "else", "from", "having", "join", "not", "on", "or", "select", "then", "union", "when",
    "where", "with",
];

/// The differences in a query, in order.
///
/// # Errors
/// Why the text is no query.
pub fn check(sql: &str) -> Result<Vec<Difference>, String> {
    let statements = Parser::parse_sql(&GenericDialect {}, sql).map_err(|error| error.to_string())?;
    if statements.len() != 1 {
        return Err(format!("expected one query, found {}", statements.len()));
    }
    let all = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().map_err(|error| error.to_string())?;
    let tokens: Vec<TokenWithSpan> =
        all.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    let word = |n: usize| match tokens.get(n).map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
        _ => String::new(),
    };
    let is = |n: usize, token: &Token| tokens.get(n).is_some_and(|known| known.token == *token);
    let mut found = Vec::new();
    for (n, token) in tokens.iter().enumerate() {
        let mut add = |instead| {
            found.push(Difference { line: token.span.start.line, written: token.token.to_string(), instead });
        };
        match &token.token {
            Token::DoubleColon => add("Trino has no `::`: write CAST(x AS type)"),
            Token::Arrow | Token::LongArrow => add("Trino has no `->` for JSON: use the columns"),
            Token::DoubleEq => add("Trino has no `==`: write ="),
            Token::Word(_) => match word(n).as_str() {
                "ilike" => add("Trino has no ILIKE: write lower(x) LIKE 'text'"),
                "qualify" => add("Trino has no QUALIFY: filter in an outer SELECT"),
                "exclude" if is(n.wrapping_sub(1), &Token::Mul) => add("Trino has no EXCLUDE: name the columns"),
                "except" if is(n.wrapping_sub(1), &Token::Mul) => add("Trino has no * EXCEPT: name the columns"),
                "all" if word(n.wrapping_sub(1)) == "by" => add("Trino has no GROUP BY ALL: name the expressions"),
                "offset" if has_limit_before(&tokens, n) => add("Trino wants OFFSET before LIMIT"),
                "desc" if word(n + 1) != "nulls" => {
                    add("the engines put NULL at different ends: write DESC NULLS LAST");
                }
                "interval" if quoted(&tokens, n + 1).is_some_and(|text| text.trim().contains(' ')) => {
                    add("Trino wants the unit outside: INTERVAL '1' HOUR");
                }
                "timestamp" | "date" if quoted(&tokens, n + 1).is_some_and(is_too_late) => {
                    add("the engine here ends in 2262: write TIMESTAMP '2200-01-01 00:00:00' for never");
                }
                name if is(n + 1, &Token::LParen)
                    && !NO_FUNCTIONS.contains(&name)
                    && !FUNCTIONS.contains(&name)
                    // The name of a common table expression.
                    && word(n.wrapping_sub(1)) != "with" =>
                {
                    add("this function is not known to be the same in both engines");
                }
                _ => {}
            },
            _ => {}
        }
    }
    Ok(found)
}

/// The text in quotes at this place.
fn quoted(tokens: &[TokenWithSpan], n: usize) -> Option<&str> {
    match tokens.get(n).map(|token| &token.token) {
        Some(Token::SingleQuotedString(text)) => Some(text),
        _ => None,
    }
}

fn is_too_late(text: &str) -> bool {
    text.get(..4).and_then(|year| year.parse::<u32>().ok()).is_some_and(|year| year > 2262)
}

fn has_limit_before(tokens: &[TokenWithSpan], n: usize) -> bool {
    let before = tokens.get(n.saturating_sub(2)).map(|token| &token.token);
    matches!(before, Some(Token::Word(word)) if word.value.eq_ignore_ascii_case("limit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hunt_keeps_to_what_both_engines_read() {
        for hunt in crate::hunts::shipped() {
            assert_eq!(check(&hunt.sql), Ok(Vec::new()), "{}", hunt.name);
        }
    }

    #[test]
    fn each_difference_is_named_with_its_line() {
        for (sql, instead) in [
            ("SELECT 1::int", "CAST"),
            ("SELECT a FROM t WHERE a ILIKE 'x'", "lower"),
            ("SELECT * EXCLUDE (a) FROM t", "name the columns"),
            ("SELECT a, count(*) FROM t GROUP BY ALL", "name the expressions"),
            ("SELECT a FROM t LIMIT 1 OFFSET 2", "OFFSET before"),
            ("SELECT a FROM t ORDER BY a DESC", "NULLS LAST"),
            ("SELECT a FROM t WHERE b > c - INTERVAL '1 hour'", "'1' HOUR"),
            ("SELECT TIMESTAMP '9999-12-31 00:00:00'", "2200"),
            ("SELECT json_get(a, 'b') FROM t", "not known"),
        ] {
            let found = check(&format!("-- a\n{sql}")).unwrap();
            assert_eq!(found.len(), 1, "{sql} {found:?}");
            assert!(found[0].instead.contains(instead) && found[0].line == 2, "{sql} {found:?}");
        }
        assert!(check("SELEC 1").is_err() && check("SELECT 1; SELECT 2").is_err());
        assert_eq!(check("SELECT min(a) FROM t ORDER BY 1 DESC NULLS LAST LIMIT 3"), Ok(Vec::new()));
    }
}
