//! The report's page in a real browser: Chromium, where it is installed. Elsewhere the tests are reported as ignored.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ec2_model::Permission;

use crate::cli::folder;
use crate::operator::{DUBLIN, HUB, stage};

/// What an attacker can write: a description, tags, and through CloudTrail a user agent.
const EVIL: &str =
    "</td><script>document.title='owned'</script><img src=http://127.0.0.1:9/x onerror=document.title='owned'>";

/// A page with an attacker's text in it.
fn page(name: &str) -> PathBuf {
    let stage = stage();
    let web = stage.group(HUB, DUBLIN, "web", &[Permission::tcp(22, "0.0.0.0/0").described("</td><script>")]);
    stage.world().set_now(portcullis::now().as_millisecond());
    let kept = folder(name).join("evidence");
    let place = kept.to_str().unwrap();
    let ran = stage.run(&["sweep", "--region", DUBLIN, "--enforce", "--yes", "--evidence", place], "");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    // The same act again, by somebody who names his program as he likes.
    let list = stage.run(&["evidence", "list", "--format", "json", "--evidence", place], "").findings();
    let act = list[0]["act"].as_str().unwrap();
    let date = format!("{}-{}-{}", &act[..4], &act[4..6], &act[6..8]);
    let folder = kept.join(format!("evidence/v1/account={HUB}/region={DUBLIN}/date={date}"));
    let text = std::fs::read_to_string(folder.join(format!("{act}.json"))).unwrap();
    let (mut evidence, _) = portcullis_domain::evidence::Evidence::read(&text).unwrap();
    evidence.who.actor = Some(format!("arn:aws:iam::{HUB}:user/{EVIL}"));
    evidence.who.user_agent = Some(EVIL.to_owned());
    evidence.who.source_ip = Some(EVIL.to_owned());
    evidence.decided.reason = EVIL.to_owned();
    evidence.decided.exposures[0].guard = EVIL.to_owned();
    evidence.id = evidence.again();
    std::fs::write(folder.join(format!("{}.json", evidence.id)), evidence.document().unwrap()).unwrap();
    let ran = stage.run(&["report", "--format", "html", "--evidence", place], "");
    assert!(ran.code == 0 && ran.stdout.contains(&web), "{}", ran.stderr);
    let page = kept.join("report.html");
    std::fs::write(&page, ran.stdout).unwrap();
    page
}

/// Runs Chromium without a screen and without a network. Returns what it wrote.
fn chromium(page: &Path, more: &[&str]) -> (String, String) {
    let profile = page.with_extension(format!("profile{}", more.len()));
    let output = Command::new("/usr/bin/chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--v=0", "--window-size=1200,1600", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(more)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (out, err)
}

/// What the page says to the console: what its Content-Security-Policy refuses is there.
fn console(stderr: &str) -> Vec<&str> {
    stderr.lines().filter(|line| line.contains("CONSOLE")).collect()
}

#[test]
#[cfg_attr(not(has_chromium), ignore = "there is no /usr/bin/chromium")]
fn the_report_runs_nothing_loads_nothing_and_shows_an_attackers_text_as_text() {
    let page = page("browser-report");
    let (dom, err) = chromium(&page, &["--dump-dom"]);
    assert!(dom.contains("<h1>What Portcullis closed"), "{dom}\n{err}");
    assert!(dom.contains("<title>Portcullis: what was closed</title>"), "no script changed it");
    // In the document there is no element but ours: the attacker's are text.
    for bad in ["<script", "<img"] {
        assert!(!dom.contains(bad), "{bad}: {dom}");
    }
    assert!(dom.contains("&lt;script&gt;document.title='owned'"), "{dom}");
    assert_eq!(console(&err), [""; 0]);
}

/// The Content-Security-Policy holds by itself, were a text ever not escaped. And its hash is that of the style.
#[test]
#[cfg_attr(not(has_chromium), ignore = "there is no /usr/bin/chromium")]
fn the_content_security_policy_refuses_what_the_escaping_would_let_through() {
    let page = page("browser-csp");
    let html = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, html.replacen("<footer>", &format!("{EVIL}<style>h1 {{ color: red }}</style><footer>"), 1))
        .unwrap();
    let (dom, err) = chromium(&page, &["--dump-dom"]);
    assert!(dom.contains("<title>Portcullis: what was closed</title>"), "{dom}");
    let refused = console(&err);
    for directive in ["script-src", "img-src", "style-src"] {
        let is_named = |line: &&str| line.contains(directive) || line.contains("default-src 'none'");
        assert!(refused.iter().any(is_named), "{directive}: {refused:?}");
    }
    assert!(refused.len() >= 3, "{refused:?}");
}

#[test]
#[cfg_attr(not(has_chromium), ignore = "there is no /usr/bin/chromium")]
fn the_report_has_a_light_and_a_dark_face() {
    let page = page("browser-faces");
    let shot = |name: &str, more: &[&str]| {
        let file = page.with_file_name(format!("{name}.png"));
        let screenshot = format!("--screenshot={}", file.display());
        chromium(&page, &[&[screenshot.as_str()], more].concat());
        std::fs::read(file).unwrap()
    };
    let light = shot("light", &["--blink-settings=preferredColorScheme=1"]);
    let dark = shot("dark", &["--blink-settings=preferredColorScheme=0", "--hide-scrollbars"]);
    assert!(light.len() > 10_000 && dark.len() > 10_000 && light != dark);
}
