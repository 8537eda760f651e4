//! The frame of all pages.

use maud::{DOCTYPE, Markup, html};

use super::flash::Flash;
use crate::app::App;
use crate::auth::Identity;

/// The pages in the navigation: path, name, the key after `g`.
const PAGES: [(&str, &str, &str); 6] = [
    ("/overview", "Overview", "o"),
    ("/keys", "Keys", "k"),
    ("/policies", "Policies", "p"),
    ("/overrides", "Overrides", "v"),
    ("/nodes", "Nodes", "n"),
    ("/audit", "Audit", "a"),
];

/// The parts of a page around its body.
pub struct Page<'a> {
    pub app: &'a App,
    pub identity: &'a Identity,
    pub flash: Option<Flash>,
    pub title: &'a str,
    /// The path of the page's entry in the navigation.
    pub active: &'a str,
    /// Whether the page shows live data: without JavaScript, it is loaded again.
    pub is_live: bool,
}

impl Page<'_> {
    /// The whole page.
    pub fn render(&self, body: &Markup) -> Markup {
        let base = &*self.app.settings.base_path;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    (head(self.title, base))
                    @if self.is_live {
                        noscript { meta http-equiv="refresh" content="5"; }
                    }
                }
                body data-base=(base) {
                    a.skip href="#content" { "Skip to content" }
                    header {
                        a.brand href={ (base) "/overview" } { "Ratelog" }
                        nav aria-label="Pages" {
                            @for (path, name, key) in PAGES {
                                a href={ (base) (path) } data-go=(key) aria-current=[(path == self.active).then_some("page")] { (name) }
                            }
                        }
                        @if let Some(demo) = self.app.demo.as_ref().filter(|_| self.identity.is_operator()) {
                            form method="post" action={ (base) "/demo" } {
                                input type="hidden" name="run" value=(!demo.is_running());
                                button.quiet type="submit" { @if demo.is_running() { "Stop demo traffic" } @else { "Start demo traffic" } }
                            }
                        }
                        form.session method="post" action={ (base) "/logout" } {
                            span title={ "Signed in by " (self.identity.method) } {
                                (self.identity.user) @if !self.identity.is_operator() { " (viewer)" }
                            }
                            button.quiet type="submit" { "Sign out" }
                        }
                    }
                    main id="content" {
                        @if let Some(flash) = &self.flash {
                            p.notice.(flash.class()) role="status" { (flash.text) }
                        }
                        p.notice.warning id="connection" role="alert" hidden { "The connection to the dashboard is lost. This page shows old data." }
                        h1 { (self.title) }
                        (body)
                    }
                    dialog id="help" aria-labelledby="help-title" {
                        h2 id="help-title" { "Keyboard" }
                        dl {
                            dt { kbd { "/" } } dd { "Search for keys" }
                            @for (_, name, key) in PAGES {
                                dt { kbd { "g" } " " kbd { (key) } } dd { (name) }
                            }
                            dt { kbd { "?" } } dd { "This help" }
                        }
                        form method="dialog" { button { "Close" } }
                    }
                }
            }
        }
    }
}

/// The parts of a page's head.
pub fn head(title: &str, base: &str) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        meta name="htmx-config" content=r#"{"history":false,"includeIndicatorCSS":false,"noSwap":[204,304,"4xx","5xx"]}"#;
        title { (title) " · Ratelog" }
        link rel="icon" href={ (base) "/assets/icon.svg" } type="image/svg+xml";
        link rel="stylesheet" href={ (base) "/assets/uplot.min.css" };
        link rel="stylesheet" href={ (base) "/assets/style.css" };
        // Not deferred: forms ask from the start.
        script src={ (base) "/assets/confirm.js" } {}
        // Not deferred: it then waits for the whole document, and for its extension.
        script src={ (base) "/assets/htmx.min.js" } {}
        script src={ (base) "/assets/hx-sse.min.js" } defer {}
        script src={ (base) "/assets/app.js" } type="module" {}
    }
}

/// A live part of a page.
pub fn live_region(base: &str, page: &str, content: &str) -> Markup {
    html! {
        // After a failure, the page tries again within some seconds.
        div.live hx-sse:connect={ (base) "/live/" (page) } hx-trigger="load, reconnect" hx-sync="drop" hx-swap="innerMorph" hx-config=r#"{"sse":{"reconnectMaxDelay":3000}}"# {
            (maud::PreEscaped(content))
        }
    }
}
