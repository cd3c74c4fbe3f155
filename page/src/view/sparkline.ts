import type { Series } from "../model/series";

/** Draws the last samples as a line that fills the canvas; its height is the range of the values. */
export function drawSparkline(canvas: HTMLCanvasElement, series: Series | undefined, line: string, fill: string): void {
  const ratio = devicePixelRatio;
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (width === 0 || height === 0) return;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.clearRect(0, 0, width, height);
  if (series === undefined || series.length < 2) return;

  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < series.length; index++) {
    least = Math.min(least, series.value(index));
    most = Math.max(most, series.value(index));
  }
  const margin = 2 * ratio;
  const range = most - least;
  const step = (width - 2 * margin) / (series.length - 1);
  const y = (value: number): number =>
    range === 0 ? height / 2 : height - margin - ((value - least) / range) * (height - 2 * margin);
  context.beginPath();
  for (let index = 0; index < series.length; index++) context.lineTo(margin + index * step, y(series.value(index)));
  context.strokeStyle = line;
  context.lineWidth = 1.5 * ratio;
  context.lineJoin = "round";
  context.stroke();
  context.lineTo(width - margin, height);
  context.lineTo(margin, height);
  context.closePath();
  context.fillStyle = fill;
  context.fill();
}
