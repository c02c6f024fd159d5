//! Prints the server's Tables as kubectl does.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables>

use super::full_name;
use super::tabwriter::TabWriter;
use jiff::Timestamp;
use kubus_proto::KindRow;
use kubus_proto::table::table;
use serde_json::{Value, json};

/// Which columns a table has beside the server's.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    /// Columns that only `-o wide` shows.
    pub wide: bool,
    /// A column with the namespace in front.
    pub namespace: bool,
    /// The kind in front of the name.
    pub kind: bool,
    /// A column with all labels.
    pub labels: bool,
    /// Columns with one label each.
    pub label_columns: Vec<String>,
    /// No line with headers.
    pub no_headers: bool,
}

/// Prints the rows of one kind, headers once, and keeps the columns of later rows where they are.
pub struct TablePrinter {
    options: TableOptions,
    row: &'static KindRow,
    writer: TabWriter,
    headers_done: bool,
}

impl TablePrinter {
    /// A printer of rows of one kind.
    pub fn new(row: &'static KindRow, options: TableOptions) -> Self {
        Self { headers_done: options.no_headers, options, row, writer: TabWriter::for_tables() }
    }

    /// Adds the rows of a Table.
    pub fn add(&mut self, table: &Value) {
        let rows = table["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        let columns = table["columnDefinitions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let shown: Vec<usize> = (0..columns.len())
            .filter(|i| self.options.wide || columns[*i]["priority"].as_i64().unwrap_or(0) == 0)
            .collect();
        if rows.is_empty() {
            return;
        }
        if !self.headers_done {
            self.headers_done = true;
            let mut headers: Vec<String> = Vec::new();
            headers.extend(self.options.namespace.then(|| "NAMESPACE".to_owned()));
            headers.extend(shown.iter().map(|i| text(&columns[*i]["name"]).to_uppercase()));
            let label = |key: &String| key.rsplit('/').next().unwrap_or(key).to_uppercase();
            headers.extend(self.options.label_columns.iter().map(label));
            headers.extend(self.options.labels.then(|| "LABELS".to_owned()));
            self.write(&headers);
        }
        for row in rows {
            let metadata = &row["object"]["metadata"];
            let mut cells: Vec<String> = Vec::new();
            cells.extend(self.options.namespace.then(|| text(&metadata["namespace"])));
            for i in &shown {
                let cell = cell_text(&row["cells"][*i]);
                let named = self.options.kind && columns[*i]["format"] == "name";
                cells.push(if named { full_name(self.row, &cell) } else { cell });
            }
            let labels = metadata["labels"].as_object();
            for key in &self.options.label_columns {
                cells.push(labels.and_then(|l| l.get(key)).map(text).unwrap_or_default());
            }
            if self.options.labels {
                let mut pairs: Vec<String> =
                    labels.into_iter().flatten().map(|(k, v)| format!("{k}={}", text(v))).collect();
                pairs.sort();
                cells.push(if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") });
            }
            self.write(&cells);
        }
    }

    /// Adds rows of whole objects, with cells from the kinds table: changes of a watch and sorted lists.
    pub fn add_objects(&mut self, objects: &[Value], now: Timestamp) {
        let rows = objects.iter().map(|o| ((self.row.cells)(o, now), json!({"metadata": o["metadata"]}))).collect();
        self.add(&table(self.row.columns, rows, "", json!({})));
    }

    /// What was added, aligned.
    pub fn flush(&mut self) -> String {
        self.writer.flush()
    }

    fn write(&mut self, cells: &[String]) {
        self.writer.write(&format!("{}\n", cells.join("\t")));
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A cell on one line: text after a line break is cut off, as in kubectl.
fn cell_text(value: &Value) -> String {
    let text = text(value);
    match text.find(['\n', '\r', '\u{c}']) {
        Some(at) => format!("{}...", text[..at].replace('\t', " ")),
        None => text.replace('\t', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds::{deployment, pod};

    fn pods() -> Value {
        let columns = pod::ROW.columns;
        let object =
            |name: &str, labels: Value| json!({"metadata": {"name": name, "namespace": "default", "labels": labels}});
        let cells = |name: &str, ready: &str| {
            ["x", ready, "Running", "0", "17h", "10.1.0.8", "n1", "<none>", "<none>"]
                .iter()
                .enumerate()
                .map(|(i, c)| json!(if i == 0 { name } else { c }))
                .collect()
        };
        table(
            columns,
            vec![
                (cells("kubia-m9zfv", "1/1"), object("kubia-m9zfv", json!({"run": "kubia"}))),
                (cells("kubia-manual", "0/1"), object("kubia-manual", json!(null))),
            ],
            "1",
            json!({}),
        )
    }

    fn printed(options: TableOptions) -> String {
        let mut printer = TablePrinter::new(&pod::ROW, options);
        printer.add(&pods());
        printer.flush()
    }

    #[test]
    fn tables_look_like_kubectls() {
        let plain = TableOptions::default();
        for (options, expected) in [
            (
                plain.clone(),
                "NAME           READY   STATUS    RESTARTS   AGE\n\
                 kubia-m9zfv    1/1     Running   0          17h\n\
                 kubia-manual   0/1     Running   0          17h\n",
            ),
            (
                TableOptions { labels: true, no_headers: true, ..plain.clone() },
                "kubia-m9zfv    1/1   Running   0     17h   run=kubia\n\
                 kubia-manual   0/1   Running   0     17h   <none>\n",
            ),
            (
                TableOptions { label_columns: vec!["run".into(), "x/env".into()], ..plain.clone() },
                "NAME           READY   STATUS    RESTARTS   AGE   RUN     ENV\n\
                 kubia-m9zfv    1/1     Running   0          17h   kubia   \n\
                 kubia-manual   0/1     Running   0          17h           \n",
            ),
            (
                TableOptions { wide: true, namespace: true, kind: true, no_headers: true, ..plain.clone() },
                "default   pod/kubia-m9zfv    1/1   Running   0     17h   10.1.0.8   n1    <none>   <none>\n\
                 default   pod/kubia-manual   0/1   Running   0     17h   10.1.0.8   n1    <none>   <none>\n",
            ),
        ] {
            assert_eq!(printed(options.clone()), expected, "{options:?}");
        }
    }

    #[test]
    fn rows_of_changes_have_the_same_columns() {
        let mut printer = TablePrinter::new(&deployment::ROW, TableOptions::default());
        let now = "2022-09-28T09:17:09Z".parse().expect("time");
        printer.add_objects(
            &[json!({
                "metadata": {"name": "nginx-deployment", "creationTimestamp": "2022-09-27T09:17:09Z"},
                "spec": {"replicas": 2},
                "status": {"readyReplicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
            })],
            now,
        );
        let expected = "NAME               READY   UP-TO-DATE   AVAILABLE   AGE\n\
                        nginx-deployment   2/2     2            2           24h\n";
        assert_eq!(printer.flush(), expected);
    }
}
