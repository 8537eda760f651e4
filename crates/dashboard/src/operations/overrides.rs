//! The overrides of all keys.

use std::time::{Duration, Instant};

use ratelog_client::command::{self, ListOptions, ListedOverride};

use super::failure::Failure;
use super::key_search;
use super::known_nodes::known_nodes;
use crate::app::App;

/// The most overrides that a list has.
pub const MAX_OVERRIDES: usize = 1_000;
/// The time after which a list ends: a pattern may match few of many overrides.
const MAX_TIME: Duration = Duration::from_secs(5);

/// A list of overrides.
#[derive(Clone, Debug)]
pub struct Overrides {
    /// The overrides, in byte order of their keys.
    pub overrides: Vec<ListedOverride>,
    /// Why there may be more.
    pub incomplete: Vec<String>,
}

/// Lists overrides whose keys match a prefix or a pattern; all if there is none.
///
/// # Errors
/// [`Failure::Unavailable`] if no server responds.
pub async fn list(app: &App, pattern: Option<&str>) -> Result<Overrides, Failure> {
    let mut options = ListOptions::default().with_count(1_000);
    if let Some(pattern) = pattern {
        options = options.with_pattern(key_search::pattern(pattern));
    }
    let nodes = known_nodes(&app.viewer).await?;
    let _read = app.begin_read().await;
    let deadline = Instant::now() + MAX_TIME;
    let (mut overrides, mut incomplete) = (Vec::new(), Vec::new());
    for node in nodes.iter().filter(|node| node.is_primary()) {
        let mut page = match node.query(&command::override_pages(&options)).await {
            Ok(pages) => pages.into_iter().next(),
            Err(error) => {
                let failure = Failure::of_read(error);
                incomplete.push(format!("{}: {}", node.address(), failure.detail()));
                continue;
            }
        };
        while let Some(found) = page.take() {
            overrides.extend(found.overrides);
            let Some(cursor) = found.next.filter(|_| overrides.len() <= MAX_OVERRIDES) else {
                break;
            };
            if Instant::now() >= deadline {
                let seconds = MAX_TIME.as_secs();
                incomplete
                    .push(format!("the list of {} was ended after {seconds} s", node.address()));
                break;
            }
            match node.query(&command::next_override_page(&cursor, &options)).await {
                Ok(next) => page = Some(next),
                Err(error) => {
                    let failure = Failure::of_read(error);
                    incomplete.push(format!("{}: {}", node.address(), failure.detail()));
                }
            }
        }
    }
    overrides.sort_by(|a, b| a.key.cmp(&b.key));
    if overrides.len() > MAX_OVERRIDES {
        incomplete.push(format!("there are more than {MAX_OVERRIDES} overrides; filter them"));
        overrides.truncate(MAX_OVERRIDES);
    }
    Ok(Overrides { overrides, incomplete })
}
