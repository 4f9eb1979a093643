// Sorts a table by the column whose head is clicked; copies the methods paragraph.
'use strict';
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells];
  const said = table.parentElement.parentElement.querySelector('[role=status]');
  heads.forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
    const up = head.getAttribute('aria-sort') === 'descending' ||
      (head.getAttribute('aria-sort') === null && head.dataset.first === 'ascending');
    const body = table.tBodies[0];
    const key = row => {
      const cell = row.cells[column];
      if (head.dataset.first === 'ascending' && cell.dataset.value === undefined)
        return cell.textContent.trim();
      return cell.dataset.value === undefined ? NaN : Number(cell.dataset.value);
    };
    const empty = value => Number.isNaN(value) || value === '';
    // Unknown values come last in either direction.
    const rows = [...body.rows].map((row, place) => ({ row, place, value: key(row) }));
    rows.sort((a, b) => {
      if (empty(a.value) || empty(b.value))
        return empty(a.value) - empty(b.value) || a.place - b.place;
      const order = typeof a.value === 'string'
        ? a.value.localeCompare(b.value) : a.value - b.value;
      return (up ? order : -order) || a.place - b.place;
    });
    body.append(...rows.map(item => item.row));
    heads.forEach(other => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    if (said) said.textContent = 'Sorted by ' + head.textContent + (up ? ', ascending' : ', descending');
  }));
}
for (const button of document.querySelectorAll('button.copy')) {
  button.hidden = false;
  button.addEventListener('click', () => {
    const text = document.getElementById(button.dataset.of);
    const range = document.createRange();
    range.selectNodeContents(text);
    const chosen = window.getSelection();
    chosen.removeAllRanges();
    chosen.addRange(range);
    // Pages opened from a file may not use navigator.clipboard; the text stays selected.
    button.textContent = document.execCommand('copy') ? 'Copied' : 'Selected';
  });
}
