//! What is wrong with requests, and how they are told.

use serde_json::{Value, json};

use super::{JSON, Served, serve, under_base};
use crate::support::http::request;

#[tokio::test]
async fn a_field_that_is_at_fault_is_named() {
    let served = serve().await;
    let session = "workflows/w1/sessions/s1";
    let user = json!({"id": "ada"});
    let long = "é".repeat(256);
    let table: [(&str, &str, Value, &[&str]); 17] = [
        ("PUT", session, json!({}), &["user", "lease_seconds"]),
        ("PUT", session, json!({"user": user}), &["lease_seconds"]),
        ("PUT", session, json!({"user": user, "lease_seconds": 0}), &["lease_seconds"]),
        ("PUT", session, json!({"user": user, "lease_seconds": 3601}), &["lease_seconds"]),
        ("PUT", session, json!({"user": user, "lease_seconds": "60"}), &["lease_seconds"]),
        ("PUT", session, json!({"user": user, "lease_seconds": 1.5}), &["lease_seconds"]),
        ("PUT", session, json!({"user": "ada", "lease_seconds": 60}), &["user"]),
        ("PUT", session, json!({"user": {"id": ""}, "lease_seconds": 60}), &["user.id"]),
        ("PUT", session, json!({"user": {"id": 7}, "lease_seconds": 60}), &["user.id"]),
        ("PUT", session, json!({"user": {"id": "a", "email": long}, "lease_seconds": 60}), &["user.email"]),
        ("PUT", session, json!({"user": user, "lease_seconds": 60, "joined_at": -1}), &["joined_at"]),
        ("PUT", session, json!({"user": user, "lease_seconds": 60, "other": 1}), &["other"]),
        ("PUT", session, json!({"user": {"id": "a", "role": 1}, "lease_seconds": 60}), &["user.role"]),
        ("PATCH", session, json!({"lease_seconds": 60, "user": user}), &["user"]),
        ("POST", "workflows/presences", json!({"workflow_ids": "w1"}), &["workflow_ids"]),
        ("POST", "workflows/presences", json!({"workflow_ids": ["w1", "", "w\n"]}), &["workflow_ids.1"]),
        ("POST", "workflows/presences", json!({"workflow_ids": [], "counts_only": 1}), &["counts_only"]),
    ];
    for (method, path, body, fields) in table {
        let answer = served.send(method, path, body.clone()).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (422, "application/problem+json"),
            "{body}"
        );
        let problem = answer.json();
        assert_eq!(
            (&problem["type"], &problem["title"], &problem["status"]),
            (&json!("about:blank"), &json!("Unprocessable Content"), &json!(422))
        );
        let errors = problem["errors"].as_array().expect("fields are to blame");
        let named: Vec<_> = errors.iter().map(|error| error["field"].as_str().expect("a name")).collect();
        assert_eq!(named, fields, "{body}");
        for error in errors {
            let words = format!("{} {}", named[0], errors[0]["message"].as_str().expect("words"));
            assert!(problem["detail"].as_str().expect("words").contains(&words), "{problem}");
            assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{problem}");
        }
    }
    assert_eq!(served.get("workflows/w1/counts").await.json()["sessions"], 0, "nothing of it was done");
}

#[tokio::test]
async fn the_words_of_a_lease_that_is_too_long_are_these() {
    let body = json!({"user": {"id": "ada"}, "lease_seconds": 0});
    let problem = serve().await.send("PUT", "workflows/w1/sessions/s1", body).await.json();
    let error = json!({"field": "lease_seconds", "message": "must be between 1 and 3600"});
    assert_eq!(
        problem,
        json!({
            "type": "about:blank", "title": "Unprocessable Content", "status": 422,
            "detail": "lease_seconds must be between 1 and 3600", "errors": [error],
        })
    );
}

#[tokio::test]
async fn an_id_is_a_text_of_1_to_255_characters_without_control_characters() {
    let served = serve().await;
    let (long, longest) = ("%C3%A9".repeat(256), "%C3%A9".repeat(255));
    let table = [
        (format!("workflows/{long}/presences"), Some("workflow_id")),
        ("workflows//counts".to_owned(), Some("workflow_id")),
        ("workflows/a%0Ab/counts".to_owned(), Some("workflow_id")),
        ("workflows/%FF/events".to_owned(), Some("workflow_id")),
        (format!("workflows/{longest}/counts"), None),
        ("workflows/w1/summary".to_owned(), Some("user_id")),
        ("workflows/w1/summary?user_id=".to_owned(), Some("user_id")),
        ("workflows/w1/summary?user_id=a&user_id=b".to_owned(), Some("user_id")),
        ("workflows/w1/summary?user_id=%FF".to_owned(), Some("user_id")),
        ("workflows/w1/summary?user_id=a&view_only=b&view_only=%FF".to_owned(), Some("view_only")),
        ("workflows/w1/summary?user_id=a&view_only=%00".to_owned(), Some("view_only")),
        (format!("workflows/w1/summary?user_id=a&view_only={long}"), Some("view_only")),
        ("workflows/w1/summary?user_id=a+b&view_only=a%2Bb".to_owned(), None),
    ];
    for (path, field) in table {
        let answer = served.get(&path).await;
        let named = answer.json()["errors"][0]["field"].as_str().map(str::to_owned);
        assert_eq!(
            (answer.status, named.as_deref()),
            (if field.is_some() { 422 } else { 200 }, field),
            "{path}"
        );
    }
    let session = served.delete("workflows/w1/sessions/%00").await;
    assert_eq!((session.status, &session.json()["errors"][0]["field"]), (422, &json!("session_id")));
    let user = served.delete("users/%00/connections").await;
    assert_eq!((user.status, &user.json()["errors"][0]["field"]), (422, &json!("user_id")));
}

#[tokio::test]
async fn a_body_must_be_json_and_not_too_large() {
    let served = serve().await;
    let good = json!({"workflow_ids": []}).to_string();
    let padded = |bytes: usize| format!("{good}{}", " ".repeat(bytes - good.len()));
    let most = 1024 * 1024;
    let table = [
        ("application/json", good.clone(), 200, ""),
        ("Application/JSON; charset=utf-8", good.clone(), 200, ""),
        ("", good.clone(), 415, "Unsupported Media Type"),
        ("application/xml", good.clone(), 415, "Unsupported Media Type"),
        ("application/json", String::new(), 400, "Bad Request"),
        ("application/json", "{\"workflow_ids\": [}".to_owned(), 400, "Bad Request"),
        ("application/json", padded(most), 200, ""),
        ("application/json", padded(most + 1), 413, "Content Too Large"),
    ];
    for (content_type, body, status, title) in table {
        let headers = [("content-type", content_type)];
        let headers = if content_type.is_empty() { &[] } else { &headers[..] };
        let answer = request(served.api, "POST", &under_base("workflows/presences"), headers, body).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
        if status != 200 {
            assert_eq!(
                (answer.header("content-type"), &answer.json()["title"]),
                ("application/problem+json", &json!(title))
            );
        }
    }
    let array = served.send("POST", "workflows/presences", json!([])).await;
    assert_eq!((array.status, &array.json()["errors"]), (422, &Value::Null), "no field is to blame");
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let served = serve().await;
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/workflows",
        "/api/v1/workflows/w1/presences/x",
        "/api/v2/x",
    ] {
        let answer = request(served.api, "GET", path, &[], "").await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (404, "application/problem+json"),
            "{path}"
        );
        assert_eq!(answer.json()["title"], "Not Found");
    }
}

/// The document and the routes agree on what there is.
#[tokio::test]
async fn a_method_that_the_document_does_not_have_is_refused_with_those_it_has() {
    let served = serve().await;
    let document = served.get("openapi.json").await;
    assert_eq!((document.status, document.header("content-type")), (200, "application/json"));
    let document = document.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().expect("paths are an object");
    assert_eq!(paths.len(), 8, "{paths:?}");
    for (path, operations) in paths {
        let path =
            path.replace("{workflow_id}", "w1").replace("{session_id}", "s1").replace("{user_id}", "u1");
        let answer = request(served.api, "OPTIONS", &path, &[], "").await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (405, "application/problem+json"),
            "{path}"
        );
        let mut allowed: Vec<_> = answer.header("allow").split(", ").map(str::to_lowercase).collect();
        let mut documented: Vec<_> = operations.as_object().expect("operations").keys().cloned().collect();
        allowed.sort_unstable();
        documented.sort_unstable();
        assert_eq!(allowed, documented, "{path}");
    }
}

#[tokio::test]
async fn a_name_that_is_at_fault_is_repeated_in_part_alone() {
    let served = serve().await;
    let long = "é".repeat(10_000);
    let problem =
        served.send("PATCH", "workflows/w1/sessions/s1", json!({"lease_seconds": 1, long: 1})).await;
    let cut = format!("{}…", "é".repeat(100));
    assert_eq!(problem.json()["errors"], json!([{"field": cut, "message": "is unknown"}]));
    assert_eq!(problem.json()["detail"], format!("{cut} is unknown"));
}

/// What is left of the body would be taken for the next request.
#[tokio::test]
async fn an_answer_to_a_request_whose_body_was_not_read_is_the_last_of_its_connection() {
    let served = serve().await;
    let body = json!({"lease_seconds": 60}).to_string();
    let table = [
        ("DELETE", "workflows/w1/sessions/s1", body.as_str(), 204, "close"),
        ("DELETE", "workflows/w1/sessions/s1", "", 204, ""),
        ("PATCH", "workflows/w1/nothing", body.as_str(), 404, "close"),
        ("PATCH", "workflows/w1/sessions/s1", body.as_str(), 404, ""),
        ("GET", "workflows/w1/counts", "", 200, ""),
    ];
    for (method, path, body, status, connection) in table {
        let answer = request(served.api, method, &under_base(path), &[JSON], body.to_owned()).await;
        assert_eq!(
            (answer.status, answer.header("connection")),
            (status, connection),
            "{method} {path} {body}"
        );
    }
}

#[tokio::test]
async fn an_answer_tells_of_so_many_faults_and_no_more() {
    let many: serde_json::Map<String, Value> =
        (0..1000).map(|number| (format!("f{number}"), json!(1))).collect();
    let served: Served = serve().await;
    let problem = served.send("PATCH", "workflows/w1/sessions/s1", many.into()).await.json();
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(20));
}
