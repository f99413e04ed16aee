// Shows one of the pictures of samples, that of the slider's step.
const samples = document.getElementById("samples");
const frames = samples.querySelectorAll("img");
const slider = samples.querySelector("input");
const step = samples.querySelector("output");

function show() {
  frames.forEach((frame, i) => { frame.hidden = i !== Number(slider.value); });
  step.textContent = frames[slider.value].dataset.step;
}

slider.addEventListener("input", show);
samples.querySelector("label").hidden = false;
show();
