//! What an expression refers to: variables, functions, fields and calendars that there are.

use super::Problem;
use super::values::Variable;
use crate::limits::MAX_SHOWN_VALUES;
use crate::typing::{Calendar, Pattern, Prefix};
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};
use cel::parser::Expression as Tree;
use std::collections::BTreeSet;

/// Functions that are no operators.
const FUNCTIONS: [&str; 9] = [
    "contains",
    "double",
    "endsWith",
    "in_network",
    "int",
    "like",
    "size",
    "startsWith",
    "string",
];

/// Checks a tree, which is no deeper than [`crate::limits::MAX_EXPRESSION_DEPTH`] allows; gives the
/// values that decide it, as it writes them, for the explanation.
pub(super) fn check(tree: &Tree, calendars: &[Calendar]) -> Result<Named, Problem> {
    let mut walk = Walk {
        named: Named::default(),
        calendars,
        bound: Vec::new(),
    };
    walk.tree(tree)?;
    Ok(walk.named)
}

/// What an expression names.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    /// The values that decide it, with their texts.
    pub shown: Vec<(String, Tree)>,
    /// All variables.
    pub variables: BTreeSet<Variable>,
}

struct Walk<'a> {
    named: Named,
    calendars: &'a [Calendar],
    /// Variables of the comprehension that is walked.
    bound: Vec<String>,
}

impl Walk<'_> {
    fn tree(&mut self, tree: &Tree) -> Result<(), Problem> {
        if let Some(path) = path(tree)
            && !self.is_bound(&path.root)
        {
            self.path(&path)?;
            self.show(path.text, tree);
            return Ok(());
        }
        match &tree.expr {
            // A name that comes here is one of the loop's own: others are paths.
            Expr::Literal(_) | Expr::Ident(_) => Ok(()),
            Expr::Select(select) if select.test => match path(&select.operand) {
                Some(path) if !self.is_bound(&path.root) => {
                    self.path(&path.with(select.field.clone(), ""))
                }
                _ => self.tree(&select.operand),
            },
            Expr::Select(select) => self.tree(&select.operand),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => list.elements.iter().try_for_each(|one| self.tree(one)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.tree(&entry.key)?;
                    self.tree(&entry.value)
                }
                EntryExpr::StructField(field) => self.tree(&field.value),
            }),
            Expr::Struct(made) => Err(Problem::new(
                format!("there is no type `{}`", made.type_name),
                "write a map, such as {\"gold\": 3}, or leave the braces out",
            )),
            Expr::Unspecified => Err(Problem::new(
                "a part of the expression is empty",
                "write it out",
            )),
        }
    }

    fn is_bound(&self, name: &str) -> bool {
        name.starts_with('@') || self.bound.iter().any(|bound| bound == name)
    }

    /// A variable with its fields, such as `uri.user` or `headers["subject"][0]`.
    fn path(&mut self, path: &Path) -> Result<(), Problem> {
        let variable = variable(&path.root)?;
        self.named.variables.insert(variable);
        let mut keys = path.keys.iter();
        let mut fields = variable.fields();
        if variable == Variable::Calendar
            && let Some(Some(id)) = keys.next()
        {
            if !self.calendars.iter().any(|one| one.id() == id) {
                let known: Vec<&str> = self.calendars.iter().take(10).map(Calendar::id).collect();
                return Err(Problem::new(
                    format!("there is no calendar `{id}`"),
                    match known.is_empty() {
                        true => format!("declare it: [[calendar]] id = \"{id}\""),
                        false => format!("declare it, or use one of: {}", known.join(", ")),
                    },
                ));
            }
            fields = &["open", "holiday"];
        }
        if let (false, Some(Some(field))) = (fields.is_empty(), keys.next())
            && !fields.contains(&field.as_str())
        {
            return Err(Problem::new(
                format!("`{}` has no `{field}`", path.root),
                format!("it has: {}", fields.join(", ")),
            ));
        }
        Ok(())
    }

    fn show(&mut self, text: String, tree: &Tree) {
        let shown = &mut self.named.shown;
        let known = shown.iter().any(|(shown, _)| *shown == text);
        if !known && shown.len() < MAX_SHOWN_VALUES {
            shown.push((text, tree.clone()));
        }
    }

    fn call(&mut self, call: &CallExpr) -> Result<(), Problem> {
        let name = call.func_name.as_str();
        let operator = name.starts_with(['_', '-', '!', '@']);
        if !operator && !FUNCTIONS.contains(&name) {
            return Err(Problem::new(
                format!("there is no function `{name}`"),
                format!(
                    "use one of: {}, exists, all, filter, has",
                    FUNCTIONS.join(", ")
                ),
            ));
        }
        if let ("like" | "in_network", Some(text)) = (name, call.args.get(1).and_then(literal)) {
            argument(name, text)?;
        }
        if let Some(target) = &call.target {
            self.tree(target)?;
        }
        call.args.iter().try_for_each(|one| self.tree(one))
    }

    /// `exists`, `all`, `filter` and the like: a loop, whose cost would be that of the product if
    /// it held another.
    fn comprehension(&mut self, loops: &ComprehensionExpr) -> Result<(), Problem> {
        self.tree(&loops.iter_range)?;
        self.tree(&loops.accu_init)?;
        if !self.bound.is_empty() {
            return Err(Problem::new(
                "a loop (exists, all, filter) stands within another",
                "make two rules of it",
            ));
        }
        self.bound.push(loops.iter_var.clone());
        self.bound.extend(loops.iter_var2.clone());
        let inside = [&loops.loop_cond, &loops.loop_step, &loops.result];
        let checked = inside.into_iter().try_for_each(|one| self.tree(one));
        self.bound.clear();
        checked
    }
}

fn variable(name: &str) -> Result<Variable, Problem> {
    Variable::named(name).ok_or_else(|| {
        let known: Vec<&str> = Variable::ALL.iter().map(|one| one.name()).collect();
        Problem::new(
            format!("there is no variable `{name}`"),
            format!("use one of: {}; texts stand in quotes", known.join(", ")),
        )
    })
}

/// Checks a pattern or a network that the expression writes out.
fn argument(function: &str, text: &str) -> Result<(), Problem> {
    if function == "like" {
        return Pattern::new(text).map(|_| ()).map_err(|error| {
            let remedy = "write a text, with * for any characters and ? for one";
            Problem::new(error.to_string(), remedy)
        });
    }
    Prefix::parse(text).map(|_| ()).ok_or_else(|| {
        Problem::new(
            format!("`{text}` is neither an address nor a prefix"),
            "write it like \"203.0.113.0/24\"",
        )
    })
}

fn literal(tree: &Tree) -> Option<&str> {
    match &tree.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// A name and what is selected of it.
struct Path {
    root: String,
    /// The texts that are selected; none for a number.
    keys: Vec<Option<String>>,
    text: String,
}

impl Path {
    fn with(mut self, key: impl Into<Option<String>>, text: &str) -> Self {
        self.keys.push(key.into());
        self.text.push_str(text);
        self
    }
}

/// A variable with fields and literal indices only; none for anything else.
fn path(tree: &Tree) -> Option<Path> {
    match &tree.expr {
        Expr::Ident(name) if !name.starts_with('@') => Some(Path {
            root: name.clone(),
            keys: Vec::new(),
            text: name.clone(),
        }),
        Expr::Select(select) if !select.test => {
            let field = &select.field;
            Some(path(&select.operand)?.with(field.clone(), &format!(".{field}")))
        }
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let [operand, index] = call.args.as_slice() else {
                return None;
            };
            let Expr::Literal(key) = &index.expr else {
                return None;
            };
            let path = path(operand)?;
            match key {
                LiteralValue::String(text) => {
                    let key = text.inner().to_string();
                    Some(path.with(key, &format!("[\"{}\"]", text.inner())))
                }
                LiteralValue::Int(number) => {
                    Some(path.with(None, &format!("[{}]", number.inner())))
                }
                _ => None,
            }
        }
        _ => None,
    }
}
