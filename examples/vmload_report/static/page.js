const list = document.querySelector('#machines');
const machines = [...list.querySelectorAll('.vm')];
const byName = new Map(machines.map((machine) => [machine.dataset.vm, machine]));

for (const point of document.querySelectorAll('.pick')) {
  point.addEventListener('click', (event) => {
    event.preventDefault();
    const machine = byName.get(point.dataset.vm);
    machine.hidden = false;
    machine.open = true;
    machine.scrollIntoView({ block: 'center' });
  });
}

const find = document.querySelector('#find');
const order = document.querySelector('#order');
find.closest('form').hidden = false;
find.closest('form').addEventListener('submit', (event) => event.preventDefault());
find.addEventListener('input', () => {
  const wanted = find.value.trim().toLowerCase();
  for (const machine of machines) {
    machine.hidden = !machine.querySelector('summary').textContent.toLowerCase().includes(wanted);
  }
});
order.addEventListener('change', () => {
  const by = order.value;
  const compare = by === 'vm'
    ? (a, b) => a.dataset.vm.localeCompare(b.dataset.vm, undefined, { numeric: true })
    : (a, b) => b.dataset[by] - a.dataset[by];
  list.append(...[...machines].sort(compare));
});
