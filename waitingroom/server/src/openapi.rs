//! The parts of the OpenAPI document that all roles share. The handlers describe their routes, each
//! role collects its own, and [`assemble`] makes the document of them: `docs/openapi.json`, which a
//! test of the binary compares.

pub mod problems;

use serde_json::json;
use utoipa::{
    OpenApi,
    openapi::{
        Content, ContentBuilder, Ref, RefOr, Response, Schema,
        path::{Operation, PathItem},
        schema::{SchemaType, Type},
        security::{Http, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use waitingroom_domain::schema::openapi_schema;

use crate::problem::Code;

const SUMMARY: &str = "A realtime waiting room that ends in a seat.";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stanchion",
        description = "Join the queue, wait, receive a pass, reserve seats, confirm. `asyncapi.json` describes \
            the WebSocket.\n\nRequests and responses are JSON; times are RFC 3339 in UTC; money is an integer in the \
            currency's minor unit, which has `currency_digits` decimals by ISO 4217. Every error is `application/problem+json` with a stable `code`. Any route may \
            also respond with `METHOD_NOT_ALLOWED` (405), `INTERNAL` (500) and, if no role serves the path, \
            `NOT_FOUND` (404). Bodies are at most 16 KiB; those of `POST /admin/events` and \
            `PUT /admin/events/{event_id}/appearance` 256 KiB, those of `POST /dev/token` 1 KiB.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "The gateway or, with several processes, the proxy in front of the roles.")),
    security(("user" = [])),
    tags(
        (name = "identity", description = "Served by gateways."),
        (name = "queue", description = "Served by gateways."),
        (name = "catalogue", description = "Public; served by booking."),
        (name = "bookings", description = "Served by booking. Bookings of other users are 404."),
        (name = "operators", description = "Served by booking, for tokens with `role: \"admin\"`."),
        (name = "operations", description = "Outside of `/api/v1`, on each process.")
    ),
    components(schemas(crate::problem::ProblemDocument, Code))
)]
struct Frame;

#[derive(OpenApi)]
#[openapi(paths(crate::http::health, crate::http::readiness, crate::http::metrics))]
struct Operations;

/// The document of all roles' routes.
pub fn assemble(
    roles: impl IntoIterator<Item = utoipa::openapi::OpenApi>,
) -> utoipa::openapi::OpenApi {
    let mut document = Frame::openapi();
    document.info.extensions = Some([("summary", SUMMARY)].into_iter().collect());
    for role in roles {
        document.paths.merge(role.paths);
        merge_components(&mut document, role.components);
    }
    let operations = Operations::openapi();
    document.paths.merge(operations.paths);
    merge_components(&mut document, operations.components);

    let components = document.components.get_or_insert_default();
    components.add_security_scheme("user", SecurityScheme::Http(bearer()));
    problems::register(components);
    let any_other = Response::new("Any other problem.");
    components
        .responses
        .insert("Problem".to_owned(), RefOr::T(with_examples(any_other)));
    components.extensions = Some([("examples", problems::examples())].into_iter().collect());

    for operation in document.paths.paths.values_mut().flat_map(operations_of) {
        complete(operation);
    }
    document
}

/// The document as it is published.
pub fn to_json(document: &utoipa::openapi::OpenApi) -> String {
    let text = serde_json::to_string_pretty(document).expect("the document is JSON");
    // utoipa 5.5 writes the formats of unsigned integers in kebab case.
    let text = text.replace("\"format\": \"u-int", "\"format\": \"uint");
    format!("{text}\n")
}

/// Adds what utoipa's attributes cannot say.
fn complete(operation: &mut Operation) {
    let any_other = Ref::from_response_name("Problem");
    operation
        .responses
        .responses
        .insert("default".to_owned(), any_other.into());

    let public = Some(vec![SecurityRequirement::default()]);
    if operation.security == public {
        operation.security = Some(Vec::new());
    }
    if let Some(body) = &mut operation.request_body {
        body.content.values_mut().for_each(without_null);
    }
}

/// A body that may be absent is no `null`.
fn without_null(content: &mut Content) {
    if let Some(RefOr::T(Schema::OneOf(either))) = &content.schema
        && let [RefOr::T(Schema::Object(null)), body] = either.items.as_slice()
        && null.schema_type == SchemaType::Type(Type::Null)
    {
        content.schema = Some(body.clone());
    }
}

fn with_examples(mut response: Response) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(
            [Code::Internal, Code::MethodNotAllowed].map(problems::example_reference),
        )
        .build();
    response
        .content
        .insert(problems::MEDIA_TYPE.to_owned(), content);
    response
}

fn merge_components(
    document: &mut utoipa::openapi::OpenApi,
    components: Option<utoipa::openapi::Components>,
) {
    let Some(components) = components else { return };
    let all = document.components.get_or_insert_default();
    all.schemas.extend(components.schemas);
    all.responses.extend(components.responses);
}

fn operations_of(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut path.get,
        &mut path.put,
        &mut path.post,
        &mut path.delete,
    ]
    .into_iter()
    .flatten()
}

fn bearer() -> Http {
    HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "A JWT of the shop's own login (HS256, or RS/ES/EdDSA by key set), or a guest token. The claims `sub` and \
            `exp` are required; `role: \"admin\"` marks an operator. At most 8 KiB.",
        ))
        .build()
}

/// The schema of a stream of server-sent events, each a name and the schema of its data.
pub fn event_stream(events: &[(&str, &str)]) -> RefOr<Schema> {
    let event = |(name, schema): &(&str, &str)| {
        json!({ "properties": {
            "event": { "const": name },
            "data": {
                "contentMediaType": "application/json",
                "contentSchema": { "$ref": format!("#/components/schemas/{schema}") },
            },
        } })
    };

    openapi_schema(json!({
        "type": "object",
        "description": "One event.",
        "required": ["event", "data"],
        "properties": { "event": { "type": "string" }, "data": { "type": "string" } },
        "oneOf": events.iter().map(event).collect::<Vec<_>>(),
    }))
}
