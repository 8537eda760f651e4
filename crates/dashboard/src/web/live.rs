//! Live pages: events that each snapshot sends.

use std::convert::Infallible;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;

use crate::api::HistoryPoint;
use crate::app::App;
use crate::auth::{ClientAddress, Viewer};
use crate::operations::failure::Failure;
use crate::pages::{self, LivePage};

/// Sends the live part of a page with each snapshot, and the newest point of the charts.
pub async fn live(
    State(app): State<App>,
    Viewer(_): Viewer,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Path(page): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let page = LivePage::named(&page)
        .ok_or_else(|| Failure::NotFound(format!("there is no live page '{page}'")))?;
    let base = app.settings.base_path.clone();
    // The events end with the session.
    let snapshots = WatchStream::new(app.poller.subscribe())
        .take_while(move |_| app.authenticator.identify(&headers, address).is_some());
    let events = snapshots.map(move |snapshot| {
        let html = pages::render_live(page, &snapshot, &base);
        let point = snapshot.rendered.point.get_or_init(|| {
            serde_json::to_string(&HistoryPoint::of(&snapshot)).unwrap_or_default()
        });
        [Ok(Event::default().data(html)), Ok(Event::default().event("point").data(point))]
    });
    let events = futures_util::StreamExt::flat_map(events, |pair| {
        futures_util::stream::iter::<[Result<Event, Infallible>; 2]>(pair)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
