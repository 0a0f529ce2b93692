//! Writes the Lua of each kind of table row.

/// A row of a table, as scripts see it.
pub(in crate::redis) trait Lua {
    /// Definitions for the scripts that name the row.
    fn lua() -> String;
}

/// `name = ARGV[at]` of each field. `at` is the position of the first, as an expression.
fn named_arguments(fields: &[&str], at: impl Fn(usize) -> String) -> String {
    let named: Vec<String> = fields
        .iter()
        .enumerate()
        .map(|(offset, field)| format!("{field} = ARGV[{}]", at(offset)))
        .collect();
    named.join(", ")
}

pub(super) fn arguments(fields: &[&str]) -> String {
    let named = named_arguments(fields, |offset| (offset + 1).to_string());
    format!(
        "local arguments, REST = {{ {named} }}, {}\n",
        fields.len() + 1
    )
}

pub(super) fn argument_list(name: &str, fields: &[&str]) -> String {
    let named = named_arguments(fields, |offset| format!("at + {offset}"));
    format!(
        "local function read_{name}()\n  local list = {{}}\n  \
         for at = REST, #ARGV, {} do list[#list + 1] = {{ {named} }} end\n  return list\nend\n",
        fields.len()
    )
}

/// Name, code and fields of each variant.
pub(super) fn tagged_arguments(name: &str, variants: &[(&str, &str, &[&str])]) -> String {
    let branches: String = variants
        .iter()
        .map(|(kind, code, fields)| {
            let named = named_arguments(fields, |offset| format!("at + {}", offset + 1));
            format!(
                "if code == '{code}' then\n      list[#list + 1] = {{ kind = '{kind}', {named} }}\n      at = at + {}\n    else",
                fields.len() + 1
            )
        })
        .collect();

    format!(
        "local function read_{name}()\n  local list, at = {{}}, REST\n  while ARGV[at] do\n    \
         local code = ARGV[at]\n    {branches} error('{name} has no ' .. code) end\n  end\n  return list\nend\n"
    )
}

pub(super) fn reply(name: &str, fields: &[&str]) -> String {
    let each = |part: fn(usize, &str) -> String| -> String {
        let parts: Vec<String> = fields
            .iter()
            .enumerate()
            .map(|(offset, field)| part(offset + 1, field))
            .collect();
        parts.join(", ")
    };

    format!(
        "local function put_{name}(list, values)\n  local at = #list\n  {} = {}\n  return list\nend\n",
        each(|offset, _| format!("list[at + {offset}]")),
        each(|_, field| format!("values.{field}"))
    )
}

/// Codes by name; they are written as Lua has them.
pub(super) fn codes(name: &str, codes: &[(&str, String)]) -> String {
    let named: Vec<String> = codes
        .iter()
        .map(|(name, code)| format!("{name} = {code}"))
        .collect();
    format!("local {name} = {{ {} }}\n", named.join(", "))
}

pub(super) fn names(list: &str, names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("local {list} = {{ {} }}\n", quoted.join(", "))
}

/// Name of each field, and whether it is a number in Lua.
pub(super) fn packed(name: &str, fields: &[(&str, bool)]) -> String {
    let each = |separator: &str, part: fn(&str, bool) -> String| -> String {
        let parts: Vec<String> = fields
            .iter()
            .map(|(field, is_number)| part(field, *is_number))
            .collect();
        parts.join(separator)
    };

    format!(
        "local function pack_{name}(values)\n  return {}\nend\n\
         local function unpack_{name}(text)\n  local {} = string.match(text, '^{}$')\n  return {{ {} }}\nend\n",
        each(" .. '\\t' .. ", |field, _| format!("values.{field}")),
        each(", ", |field, _| field.to_owned()),
        each("\\t", |_, _| "([^\\t]*)".to_owned()),
        each(", ", |field, is_number| match is_number {
            true => format!("{field} = tonumber({field})"),
            false => format!("{field} = {field}"),
        }),
    )
}
