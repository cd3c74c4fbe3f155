//! The demo drawn live in a terminal.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};
use tokio::sync::mpsc;

use super::Demo;
use super::model::{Model, Seen, bytes, share};

/// How often the view is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// How long a changed topic is lit up.
const LIT: Duration = Duration::from_millis(400);

/// Draws the view until the demo is over, or q, Esc or Ctrl-C is pressed.
pub(super) async fn show(demo: &mut Demo) -> Result<(), Box<dyn Error>> {
    // Also puts the terminal back if the program panics.
    let mut terminal = ratatui::try_init()?;
    let keys = Keys::new();
    let done = draw_until_over(demo, &mut terminal, keys).await;
    ratatui::restore();
    done
}

async fn draw_until_over(
    demo: &mut Demo,
    terminal: &mut ratatui::DefaultTerminal,
    mut keys: Keys,
) -> Result<(), Box<dyn Error>> {
    let end = demo.end();
    let mut top = 0_usize;
    let mut next = tokio::time::Instant::now();
    loop {
        next = (next + FRAME).max(tokio::time::Instant::now());
        if !demo.follow_until(next, end).await? {
            return Ok(());
        }
        while let Ok(key) = keys.pressed.try_recv() {
            match key {
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                KeyCode::Down | KeyCode::Char('j') => top = top.saturating_add(1),
                KeyCode::Up | KeyCode::Char('k') => top = top.saturating_sub(1),
                KeyCode::PageDown => top = top.saturating_add(20),
                KeyCode::PageUp => top = top.saturating_sub(20),
                KeyCode::Home => top = 0,
                _ => {}
            }
        }
        top = top.min(demo.model.topics.len().saturating_sub(1));
        terminal.draw(|frame| draw(frame, &mut demo.model, top))?;
    }
}

fn draw(frame: &mut Frame<'_>, model: &mut Model, top: usize) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(4), Constraint::Min(3), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(headline(model), head);
    let wide = Constraint::Min(20);
    let columns = [Constraint::Length(40), wide, Constraint::Length(8), Constraint::Length(10), Constraint::Length(8)];
    let width = usize::from(frame.area().width).saturating_sub(40 + 8 + 10 + 8 + 6).max(20);
    let rows = model.topics.iter().skip(top).take(usize::from(body.height)).map(|(path, seen)| row(path, seen, width));
    let header =
        Row::new(["topic", "value", "updates", "sent", "of full"]).style(Style::new().add_modifier(Modifier::DIM));
    let table = Table::new(rows, columns).header(header).block(Block::new().borders(Borders::TOP));
    frame.render_widget(table, body);
    let keys = Span::styled(" ↑↓ PgUp PgDn scroll · q quits ", Style::new().add_modifier(Modifier::DIM));
    frame.render_widget(Paragraph::new(Line::from(keys)), foot);
}

fn headline(model: &mut Model) -> Paragraph<'static> {
    let (updates, sent, full) = model.rates();
    let counted = model.statistics();
    let strong = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);
    let green = Style::new().fg(Color::Green).add_modifier(Modifier::BOLD);
    Paragraph::new(vec![
        Line::from(vec![
            Span::styled(" Outpour ", strong),
            Span::raw(format!("open {} in a browser  ·  or try: ", model.page())),
            Span::styled(model.invitation(), Style::new().fg(Color::Yellow)),
        ]),
        Line::from(vec![
            Span::raw(" now    "),
            Span::styled(format!("{updates:.0} updates/s  "), strong),
            Span::raw(format!("{}/s sent where full values are {}/s  ", bytes(sent), bytes(full))),
            Span::styled(share(sent, full), green),
        ]),
        Line::from(vec![
            Span::raw(" so far "),
            Span::styled(format!("{} updates  ", counted.updates), strong),
            Span::raw(format!(
                "of {} topics, {} sent where full values are {}  ",
                model.topics.len(),
                bytes(counted.bytes_in as f64),
                bytes(counted.full_bytes as f64)
            )),
            Span::styled(share(counted.bytes_in as f64, counted.full_bytes as f64), green),
        ]),
    ])
}

fn row(path: &str, seen: &Seen, width: usize) -> Row<'static> {
    let value: String = seen
        .value
        .to_string()
        .chars()
        .take(width)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    let style = if seen.changed.elapsed() < LIT { Style::new().fg(Color::Green) } else { Style::new() };
    Row::new([
        Cell::from(path.to_owned()),
        Cell::from(value).style(style),
        Cell::from(seen.updates.to_string()),
        Cell::from(bytes(seen.sent_bytes as f64)),
        Cell::from(share(seen.sent_bytes as f64, seen.full_bytes as f64)),
    ])
}

/// Keys pressed, read on a thread of their own.
struct Keys {
    pressed: mpsc::Receiver<KeyCode>,
    over: Arc<AtomicBool>,
}

impl Keys {
    fn new() -> Self {
        let (sender, pressed) = mpsc::channel(64);
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                if !event::poll(FRAME).unwrap_or(false) {
                    continue;
                }
                let Ok(Event::Key(key)) = event::read() else { continue };
                let interrupted = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                let code = if interrupted { KeyCode::Esc } else { key.code };
                // A full channel means that many keys wait already.
                if key.kind == KeyEventKind::Press {
                    let _full = sender.try_send(code);
                }
            }
        });
        Self { pressed, over }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
