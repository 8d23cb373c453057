//! The page in a real browser, with attackers' text in it. Ignored where there is none: PORTCULLIS_TEST_CHROMIUM names it.

use std::process::Command;

use serde_json::json;

use crate::made::{Logs, at, call, create_group, open};

/// What the browser makes of the page, and what it complains of.
fn dom(page: &std::path::Path, dark: bool) -> (String, String) {
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    let chromium = std::env::var("PORTCULLIS_TEST_CHROMIUM").unwrap();
    let profile = page.with_extension("profile");
    let mut command = Command::new(chromium);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--log-level=0",
        "--dump-dom",
    ]);
    if dark {
        command.arg("--force-dark-mode");
    }
    command.arg(format!("--user-data-dir={}", profile.display())).arg(format!("file://{}", page.display()));
    let output = command.output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn page(logs: &Logs, hunt: &str) -> std::path::PathBuf {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis-hunt"))
        .args([hunt, logs.folder.to_str().unwrap(), "--format", "html"])
        .output()
        .unwrap();
    let page = logs.folder.join("page.html");
    std::fs::write(&page, output.stdout).unwrap();
    page
}

const HOSTILE: &str = "</td></table><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\
    <svg onload=document.title='owned'><style>body{display:none}</style><a href=javascript:alert(1)>";

#[test]
#[ignore = "needs a browser: PORTCULLIS_TEST_CHROMIUM"]
fn attackers_text_stays_text_in_a_browser() {
    let mut logs = Logs::new();
    let mut record = call(at("10:00"), "RunInstances", json!({}), json!(null));
    record["userAgent"] = json!(HOSTILE);
    record["errorCode"] = json!(format!("AccessDenied{HOSTILE}"));
    logs.trail(&[record]);
    for (hunt, dark) in [("activity", false), ("denied", true), ("errors", false)] {
        let (dom, complaints) = dom(&page(&logs, hunt), dark);
        assert!(dom.contains("<h1>") && dom.contains("&lt;script&gt;"), "{hunt}: {dom}");
        assert!(!dom.contains("<title>owned") && !dom.contains("<script") && !dom.contains("<img"), "{hunt}: {dom}");
        assert!(!complaints.contains("Content Security Policy"), "the page's own style is let in: {complaints}");
    }
}

#[test]
#[ignore = "needs a browser: PORTCULLIS_TEST_CHROMIUM"]
fn a_chart_has_words_for_those_who_do_not_see_it_and_the_rows_can_be_reached_by_keyboard() {
    let mut logs = Logs::new();
    logs.trail(&[create_group(at("09:00"), "sg-1"), open(at("10:00"), "sg-1", "sgr-1", (22, 22), "0.0.0.0/0")]);
    let (dom, complaints) = dom(&page(&logs, "dangerous-rules"), false);
    assert!(dom.contains("<svg") && dom.contains("role=\"img\"") && dom.contains("<desc>"), "{dom}");
    assert!(dom.contains("tabindex=\"0\" role=\"region\" aria-labelledby=\"rows\"") && dom.contains("href=\"#rows\""));
    assert!(dom.contains("<th scope=\"col\">") && dom.contains("<html lang=\"en\">"));
    assert!(!complaints.contains("Content Security Policy"), "{complaints}");
}
