//! The management at work, on a thread of its own: a file that is slow to be written holds up no request that is
//! balanced.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router, middleware};
use http::{HeaderName, HeaderValue, Method, header};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower_http::cors::CorsLayer;

use super::access::{Access, guard};
use super::api::{Api, Peer, routes};
use super::settings::ManagementSettings;
use super::store::Store;
use super::token::{TokenError, Watched};
use crate::balance::life::{Heard, Life, Phase, runtime};
use crate::balance::side;
use crate::serve::error::ServeError;
use crate::serve::{listen, tls};

/// How long a browser may remember what pages from elsewhere may do.
const CORS_MAX_AGE: Duration = Duration::from_secs(600);

/// What shakes hands, and what reads its certificate again.
type Tls = (TlsAcceptor, Arc<tls::Rotating>);

/// Why the management cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagementError {
    /// Anybody could manage.
    #[error(
        "managing services at {address}, which other machines can reach, needs a token: give one with \
         `token` of `management`, like {{\"file\": \"token\"}} (--management-token-file, \
         --management-token-env), or listen on 127.0.0.1"
    )]
    NoToken {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// There is no token where it should stand.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// A management at work. Dropping it stops it; what is being changed is finished.
pub struct RunningManagement {
    local_addr: SocketAddr,
    life: Life,
}

/// Starts to manage what a store has.
///
/// # Errors
/// [`ManagementError`].
pub fn start_management(
    settings: &ManagementSettings,
    store: Arc<Store>,
) -> Result<RunningManagement, ManagementError> {
    let token = token(settings)?;
    let tls = settings.tls.as_ref();
    let tls = tls
        .map(|files| tls::rotating(files, &[b"http/1.1"]))
        .transpose()?;
    let (listener, local_addr) = listen::bind(settings.listen)?;
    let runtime = runtime()?;
    let listener = {
        let _inside = runtime.enter();
        TcpListener::from_std(listener).map_err(|reason| ServeError::Worker { reason })?
    };
    let origins = settings.allowed_origins.iter();
    let access = Access {
        token,
        allowed_origins: Some(origins.filter_map(|it| it.parse().ok()).collect()),
    };
    let router = router(Api {
        store,
        access: Arc::new(access),
    });
    let life = Life::new();
    let heard = life.heard();
    life.launch("balance-manage".to_owned(), runtime, move || {
        serve(listener, tls, router, heard)
    })?;
    Ok(RunningManagement { local_addr, life })
}

/// The token, which may be missing where nobody else can reach the address.
fn token(settings: &ManagementSettings) -> Result<Option<Watched>, ManagementError> {
    let address = settings.listen;
    let missing = || ManagementError::NoToken { address };
    Watched::guarding(address, settings.token.as_ref(), missing)
}

impl ManagementSettings {
    /// Says before anything is started whether services may be managed in this way.
    ///
    /// # Errors
    /// [`ManagementError::NoToken`] and [`ManagementError::Token`].
    pub fn check(&self) -> Result<(), ManagementError> {
        token(self).map(|_| ())
    }
}

impl RunningManagement {
    /// Where it listens, with the port it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Ends it. Its connections are closed.
    pub fn stop(&self) {
        self.life.advance(Phase::Stopped);
        self.life.wait();
    }
}

impl Drop for RunningManagement {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for RunningManagement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningManagement")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

fn router(api: Api) -> Router {
    let origins = api.access.allowed_origins.clone().unwrap_or_default();
    let router = routes(api.clone()).layer(middleware::from_fn_with_state(api, guard));
    if origins.is_empty() {
        return router;
    }
    // Outermost: a browser asks first without a token.
    router.layer(cors(origins))
}

fn cors(origins: Vec<HeaderValue>) -> CorsLayer {
    const HEADERS: [HeaderName; 4] = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
    ];
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(methods)
        .allow_headers(HEADERS)
        .expose_headers([header::ETAG, header::LOCATION])
        .max_age(CORS_MAX_AGE)
}

async fn serve(listener: TcpListener, tls: Option<Tls>, router: Router, heard: Heard) {
    let (tls, certificate) = tls.unzip();
    let certificate = async {
        match certificate {
            Some(certificate) => certificate.keep().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = heard.reached(Phase::Stopped) => {}
        () = side::serve("management", listener, tls, |peer| {
            TowerToHyperService::new(router.clone().layer(Extension(Peer(peer))))
        }) => {}
        () = certificate => {}
    }
}
