//! Columns as Go's text/tabwriter aligns them, which is what kubectl's tables and descriptions look like.
//!
//! A cell is text that ends in a tab; what follows the last tab of a line is not a cell. Cells of one column in
//! consecutive lines form a block and are as wide as the widest; a line without a cell there ends the block.

/// Collects lines and aligns them when asked for.
#[derive(Clone, Debug)]
pub struct TabWriter {
    min_width: usize,
    padding: usize,
    lines: Vec<Vec<String>>,
    /// Widths of earlier flushes, which rows of a watch must keep to; `None` where each flush stands alone.
    remembered: Option<Vec<usize>>,
}

impl TabWriter {
    /// As tables of `get` are aligned: three blanks between columns, none narrower than six.
    pub fn for_tables() -> Self {
        Self { min_width: 6, padding: 3, lines: vec![Vec::new()], remembered: Some(Vec::new()) }
    }

    /// As descriptions are aligned: two blanks between columns.
    pub fn for_descriptions() -> Self {
        Self { min_width: 0, padding: 2, lines: vec![Vec::new()], remembered: None }
    }

    /// Adds text with tabs and line feeds.
    pub fn write(&mut self, text: &str) {
        for (i, line) in text.split('\n').enumerate() {
            if i > 0 {
                self.lines.push(Vec::new());
            }
            let mut cells = line.split('\t');
            let first = cells.next().unwrap_or_default();
            if let Some(last) = self.lines.last_mut() {
                match last.last_mut() {
                    Some(open) => open.push_str(first),
                    None => last.push(first.to_owned()),
                }
                last.extend(cells.map(str::to_owned));
            }
        }
    }

    /// Gives out what was written since the last flush, aligned.
    pub fn flush(&mut self) -> String {
        let lines = std::mem::replace(&mut self.lines, vec![Vec::new()]);
        let mut out = String::new();
        self.format(&lines, 0, lines.len(), &mut Vec::new(), &mut out);
        out
    }

    fn format(&mut self, lines: &[Vec<String>], start: usize, end: usize, widths: &mut Vec<usize>, out: &mut String) {
        let column = widths.len();
        let has_cell = |line: &Vec<String>| column + 1 < line.len();
        let (mut first, mut this) = (start, start);
        while this < end {
            if !has_cell(&lines[this]) {
                this += 1;
                continue;
            }
            write_lines(lines, first, this, widths, out);
            first = this;
            let mut width = self.min_width;
            while this < end && has_cell(&lines[this]) {
                width = width.max(lines[this][column].chars().count() + self.padding);
                this += 1;
            }
            if let Some(remembered) = &mut self.remembered {
                remembered.resize(remembered.len().max(column + 1), 0);
                remembered[column] = remembered[column].max(width);
                width = remembered[column];
            }
            widths.push(width);
            self.format(lines, first, this, widths, out);
            widths.pop();
            first = this;
        }
        write_lines(lines, first, end, widths, out);
    }
}

fn write_lines(lines: &[Vec<String>], start: usize, end: usize, widths: &[usize], out: &mut String) {
    for (i, line) in lines.iter().enumerate().take(end).skip(start) {
        for (column, cell) in line.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths.get(column).filter(|_| column + 1 < line.len()) {
                out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
            }
        }
        if i + 1 < lines.len() {
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_as_go_does() {
        for (mut writer, text, expected) in [
            (TabWriter::for_tables(), "NAME\tREADY\tAGE\nweb\t1/1\t5s\n", "NAME   READY   AGE\nweb    1/1     5s\n"),
            (TabWriter::for_tables(), "A\tB\tC\nx\t\t\n", "A     B     C\nx           \n"),
            (
                TabWriter::for_descriptions(),
                "Name:\tx\nAnnotations:\t<none>\nIPs:\n  IP:\t1\nControlled By:\ty\n",
                "Name:         x\nAnnotations:  <none>\nIPs:\n  IP:           1\nControlled By:  y\n",
            ),
            (TabWriter::for_descriptions(), "a\tb\n\nlonger\tc\n", "a  b\n\nlonger  c\n"),
            (TabWriter::for_descriptions(), "é\tb\nxx\tc", "é   b\nxx  c"),
            (TabWriter::for_descriptions(), "", ""),
        ] {
            writer.write(text);
            assert_eq!(writer.flush(), expected, "{text:?}");
        }
    }

    #[test]
    fn rows_of_a_watch_keep_the_widths_of_the_rows_before() {
        let mut writer = TabWriter::for_tables();
        writer.write("NAME\tAGE\nlong-name\t5s\n");
        writer.flush();
        writer.write("x\t6s\n");
        assert_eq!(writer.flush(), "x           6s\n");
    }
}
