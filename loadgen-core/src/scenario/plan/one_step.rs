//! Scenarios of one step, made in code.

use super::ScenarioPlan;
use crate::scenario::protocol::{
    GrpcCall, GrpcPlan, HttpPlan, HttpRequest, WebsocketExchange, WebsocketPlan,
};
use crate::schedule::Load;

impl ScenarioPlan {
    /// A scenario of one gRPC call, with everything else as [`ScenarioPlan::new`] has it. The step is
    /// called after the method: `place_order` for `PlaceOrder`.
    ///
    /// ```
    /// use loadgen_core::scenario::ScenarioPlan;
    /// use loadgen_core::schedule::Load;
    /// use serde_json::json;
    ///
    /// let load = Load::closed(10).iterations(1000);
    /// let mut plan = ScenarioPlan::grpc(
    ///     "greet",
    ///     "loadgen.v1.Greeter/Hello",
    ///     json!({ "name": "world" }),
    ///     load,
    /// );
    /// plan.targets = vec!["127.0.0.1:50051".parse()?];
    /// let plan = plan.checked()?;
    /// assert!(plan.step_names().eq(["hello"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn grpc(
        name: impl Into<String>,
        method: impl Into<String>,
        message: serde_json::Value,
        load: impl Into<Load>,
    ) -> Self {
        let call = GrpcCall::new(method, message);
        Self::new(name, GrpcPlan::new([call.into()]), load)
    }

    /// A scenario of one exchange over WebSocket, with everything else as [`ScenarioPlan::new`] has
    /// it. Each user keeps a connection of its own. The step is called after the path's last part.
    ///
    /// ```
    /// use loadgen_core::scenario::{Payload, ScenarioPlan, WebsocketExchange};
    /// use loadgen_core::schedule::Load;
    ///
    /// let load = Load::closed(10).iterations_per_user(50);
    /// let hello = WebsocketExchange::send("/echo", Payload::Text("hello".to_owned()));
    /// let mut plan = ScenarioPlan::websocket("greet", hello, load);
    /// plan.targets = vec!["ws://127.0.0.1:8080".parse()?];
    /// let plan = plan.checked()?;
    /// assert!(plan.step_names().eq(["echo"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn websocket(
        name: impl Into<String>,
        exchange: WebsocketExchange,
        load: impl Into<Load>,
    ) -> Self {
        Self::new(name, WebsocketPlan::new([exchange.into()]), load)
    }

    /// A scenario of one HTTP request, with everything else as [`ScenarioPlan::new`] has it. Each user
    /// keeps a connection of its own. The step is called after the path's last part.
    ///
    /// ```
    /// use loadgen_core::scenario::{HttpRequest, ScenarioPlan};
    /// use loadgen_core::schedule::Load;
    ///
    /// let load = Load::closed(10).iterations_per_user(50);
    /// let mut plan = ScenarioPlan::http("greet", HttpRequest::get("/hello"), load);
    /// plan.targets = vec!["http://127.0.0.1:8081".parse()?];
    /// let plan = plan.checked()?;
    /// assert!(plan.step_names().eq(["hello"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn http(name: impl Into<String>, request: HttpRequest, load: impl Into<Load>) -> Self {
        Self::new(name, HttpPlan::new([request.into()]), load)
    }
}
