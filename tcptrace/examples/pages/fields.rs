//! The fields of JSON records for the manual, from the JSON Schema, so that it cannot say anything else.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// One field of a record.
pub(crate) struct Field {
    pub(crate) name: String,
    /// In words of JSON: `integer or null`.
    pub(crate) kind: String,
    pub(crate) meaning: String,
}

/// The fields of a record.
pub(crate) fn of(schema: &Value, record: &str) -> Result<Vec<Field>> {
    let variants = schema["oneOf"].as_array().context("the schema lists no records")?;
    let variant = variants.iter().find(|variant| variant["properties"]["type"]["const"] == record);
    let variant = variant.with_context(|| format!("the schema has no record `{record}`"))?;
    let properties = resolved(schema, variant)["properties"].as_object();
    let properties = properties.with_context(|| format!("`{record}` has no fields"))?;
    let mut fields = Vec::new();
    for (name, field) in properties {
        let meaning = field["description"].as_str().or_else(|| meaning_of_type(schema, field));
        let meaning = meaning.with_context(|| format!("`{record}.{name}` has no description"))?;
        let meaning = meaning.split_whitespace().collect::<Vec<_>>().join(" ");
        fields.push(Field { name: name.clone(), kind: kind(schema, field), meaning });
    }
    Ok(fields)
}

fn resolved<'a>(schema: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(path) => schema.pointer(path.trim_start_matches('#')).unwrap_or(value),
        None => value,
    }
}

fn meaning_of_type<'a>(schema: &'a Value, field: &'a Value) -> Option<&'a str> {
    let any = field["anyOf"].as_array().and_then(|any| any.first()).unwrap_or(field);
    resolved(schema, any)["description"].as_str()
}

fn kind(schema: &Value, field: &Value) -> String {
    let mut words = Vec::new();
    collect(schema, field, &mut words);
    words.join(" or ")
}

/// The JSON types of a value, each once; `null` stands last.
fn collect<'a>(schema: &'a Value, value: &'a Value, words: &mut Vec<&'a str>) {
    let value = resolved(schema, value);
    for alternatives in [&value["anyOf"], &value["oneOf"]] {
        alternatives.as_array().into_iter().flatten().for_each(|one| collect(schema, one, words));
    }
    let types = value["type"].as_array().map(Vec::as_slice);
    let types = types.unwrap_or(std::slice::from_ref(&value["type"])).iter().filter_map(Value::as_str);
    for word in types.chain(value["const"].is_string().then_some("string")) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
}
