//! The role's part of the OpenAPI document.

use serde_json::json;
use utoipa::openapi::{OpenApi, RefOr, Schema};
use utoipa_axum::router::OpenApiRouter;

use crate::{router, transport::problems, web::assets};

/// The routes of this role, with development tokens, as their handlers describe them.
pub fn openapi() -> OpenApi {
    let routes: OpenApiRouter = assets::documents();
    let mut document = router::routes(true)
        .into_openapi()
        .merge_from(routes.into_openapi());

    let components = document.components.get_or_insert_default();
    problems::register(components);
    if let Some(RefOr::T(Schema::Object(place))) = components.schemas.get_mut("Place") {
        let with_pass = json!({ "queue_pass": ["pass_id", "queue_pass_expires_at"] });
        place.extensions = Some([("dependentRequired", with_pass)].into_iter().collect());
    }
    document
}
