//! Progress, on standard error and on a terminal only. Data goes to standard output.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// Over files. One file needs no bar.
#[must_use]
pub fn over_files(files: usize) -> ProgressBar {
    match files {
        0 | 1 => ProgressBar::hidden(),
        _ => bar("{bar:30} {pos} of {len} files, {eta} left", Some(files)),
    }
}

/// Over objects, of which nobody knows how many there are.
#[must_use]
pub fn over_objects() -> ProgressBar {
    bar("{spinner} {pos} objects", None)
}

/// Over the Regions of accounts.
#[must_use]
pub fn over_regions(regions: usize) -> ProgressBar {
    bar("{bar:24} {pos} of {len} Regions  {msg}", Some(regions))
}

/// While a deployment is looked at.
#[must_use]
pub fn over_calls() -> ProgressBar {
    let bar = bar("{spinner} looking, {elapsed}", None);
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}

fn bar(template: &str, length: Option<usize>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let length = length.map(|length| u64::try_from(length).unwrap_or(u64::MAX));
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
