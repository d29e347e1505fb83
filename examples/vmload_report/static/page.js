for (const point of document.querySelectorAll('.pick')) {
  point.addEventListener('click', () => {
    const machines = [...document.querySelectorAll('.vm')];
    const machine = machines.find((one) => one.dataset.vm === point.dataset.vm);
    machine.open = true;
    machine.scrollIntoView({ block: 'center' });
  });
}
