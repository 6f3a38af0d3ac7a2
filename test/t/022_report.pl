# model_report() by psql and in a browser: on a shop's real orders, with two
# versions, names and metrics.  Chromium, where it is installed, shows the page
# 360 and 1280 pixels wide, in its light and its dark scheme: nothing is wider than the page,
# nothing is said on the console, text has its contrast.  On a standby the page is the same.
use strict;
use warnings;

use IPC::Run ();
use RecmfTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('report', allows_streaming => 1);
my $directory = PostgreSQL::Test::Utils::tempdir;

split_orders($node);
$node->safe_psql(
	'postgres', q{
CREATE TABLE items (item_id text PRIMARY KEY, title text);
CREATE TABLE evaluation AS
SELECT system, metric, 10 AS k, value, value * 0.95 AS low, value * 1.05 AS high, 4000 AS n
FROM (VALUES ('model', 'recall', 0.21::float8), ('popularity', 'recall', 0.06), ('random', 'recall', 0.003),
	('model', 'a_metric_with_a_very_long_name_that_has_no_place_to_break', 0.5), ('popularity', 'rmse', 1.2)) e(system, metric, value);
SELECT FROM train_model('shop', 'SELECT * FROM shop_train WHERE user_id % 10 > 0');
SELECT FROM train_model('shop', 'shop_train', validation_fraction => 0.1, iterations => 20)});
load_xz($node, 'test/data/items.csv.xz', 'items', 'FORMAT csv, HEADER');
$node->safe_psql('postgres', q{UPDATE items SET title = repeat('unbreakable', 20) WHERE item_id = '22423'});

my $call = q{SELECT model_report('shop', item_names => 'SELECT item_id, title FROM items',
	metrics => (SELECT jsonb_agg(e) FROM evaluation e))};
my $file = "$directory/report.html";
my $errors = '';
my $started = time;
ok( IPC::Run::run(
		[ 'psql', '-qAtX', '-d', $node->connstr('postgres'), '-c', $call ],
		'>', $file, '2>', \$errors),
	'psql writes it into a file');
is($errors, '', 'without a word');
note(sprintf('measured: report of %d bytes in %.2f s', -s $file, time - $started));
like(slurp_file($file), qr/\A<!DOCTYPE html>\n<html .*<\/html>\n\z/s, 'which has one page');

# The same in another encoding of the client.
my $latin = "$directory/latin.html";
IPC::Run::run([ 'psql', '-qAtX', '-d', $node->connstr('postgres'), '-c', 'SET client_encoding = latin1', '-c', $call ],
	'>', $latin, '2>', \$errors);
my $made = qr/Made [^ ]+ [^ ]+ [^ ]+ by/;
is(slurp_file($latin) =~ s/$made//r, slurp_file($file) =~ s/$made//r, 'the same bytes whatever the encoding of the client');

# On a standby.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('report_standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my ($here, $there) = map { $_->safe_psql('postgres', $call) =~ s/$made//r } ($node, $standby);
ok($here eq $there, 'the same on a standby');
$standby->stop;

# In a browser.
my ($browser) = grep { defined && -x }
	map { my $name = $_; map { "$_/$name" } split /:/, $ENV{PATH} . ':/usr/bin' } qw(chromium chromium-browser google-chrome);

# A page with the report in a frame of some width, since a window has a least
# width, and a script that writes what it sees of it into the document.
sub look
{
	my ($width, $scheme) = @_;
	my $wrapper = "$directory/wrapper-$width-$scheme.html";
	my ($out, $err) = ('', '');

	unlink $wrapper;
	append_to_file($wrapper, <<"EOF");
<!DOCTYPE html><html style="color-scheme: $scheme"><title>wrapper</title><body style="margin: 0">
<iframe id="frame" src="report.html" style="border: 0; width: ${width}px; height: 900px; color-scheme: $scheme"></iframe>
<pre id="seen"></pre>
<script>
document.getElementById('frame').onload = function () {
	const page = this.contentDocument, window_ = this.contentWindow, root = page.documentElement;
	const said = [];
	const say = (name, value) => said.push(name + '=' + value);
	for (const details of page.querySelectorAll('details')) details.open = true;
	say('width', root.clientWidth);
	say('scroll', Math.max(root.scrollWidth, page.body.scrollWidth));
	// what sticks out, but for what scrolls in its own box
	say('out', [...page.querySelectorAll('body *')].filter(e => !e.closest('.scroll *, svg *, .unseen') &&
		e.getBoundingClientRect().right > root.clientWidth + 0.5).map(e => e.tagName).join());
	say('dark', window_.matchMedia('(prefers-color-scheme: dark)').matches);
	// of each text, the contrast with the nearest ground below it
	const rgb = c => c.match(/[0-9.]+/g).map(Number);
	const light = c => { const [r, g, b] = rgb(c).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const ground = e => { for (; e; e = e.parentElement) { const c = window_.getComputedStyle(e).backgroundColor;
		if (rgb(c).length === 3 || rgb(c)[3] > 0) return c; } return 'rgb(255, 255, 255)'; };
	const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
	const least = (list, of) => Math.min(...list.map(e => contrast(window_.getComputedStyle(e)[of], ground(e))));
	const texts = [...page.querySelectorAll('body *')].filter(e => e.namespaceURI.endsWith('xhtml') &&
		[...e.childNodes].some(n => n.nodeType === 3 && n.data.trim() !== ''));
	say('texts', texts.length);
	say('contrast', least(texts, 'color').toFixed(2));
	say('svg-texts', least([...page.querySelectorAll('svg text')], 'fill').toFixed(2));
	say('lines', least([...page.querySelectorAll('svg .line')], 'stroke').toFixed(2));
	say('bars', least([...page.querySelectorAll('svg .bar')], 'fill').toFixed(2));
	// pictures have a size; letters in them can be read, and stay inside
	const pictures = [...page.querySelectorAll('svg[role=img]')];
	say('pictures', pictures.length);
	say('small', pictures.filter(s => s.getBoundingClientRect().height < 25).length);
	const letters = [...page.querySelectorAll('svg[role=img] text')];
	say('least-letter', Math.min(...letters.map(t => parseFloat(window_.getComputedStyle(t).fontSize) *
		t.ownerSVGElement.getBoundingClientRect().width / t.ownerSVGElement.viewBox.baseVal.width)).toFixed(1));
	say('letters-outside', letters.filter(t => { const b = t.getBoundingClientRect(), s = t.ownerSVGElement.getBoundingClientRect();
		return b.left < s.left - 1 || b.right > s.right + 1 || b.top < s.top - 1 || b.bottom > s.bottom + 1; }).map(t => t.textContent).join());
	document.getElementById('seen').textContent = said.join('\\n');
};
</script></body></html>
EOF
	my $done = IPC::Run::run(
		[   $browser, '--headless=new', '--no-sandbox', '--disable-gpu', '--allow-file-access-from-files',
			'--disable-dev-shm-usage', '--no-first-run', '--hide-scrollbars', "--user-data-dir=$directory/browser-$width-$scheme", '--window-size=1400,1000',
			'--virtual-time-budget=10000', '--enable-logging=stderr', '--dump-dom', "file://$wrapper" ],
		'>', \$out, '2>', \$err, IPC::Run::timeout(120));
	my ($seen) = $out =~ /<pre id="seen">(.*?)<\/pre>/s;
	my %seen = map { split /=/, $_, 2 } split /\n/, $seen // '';

	$seen{console} = join("\n", grep { /:CONSOLE/ } split /\n/, $err);
	diag($err) if !$done || !defined $seen;
	return %seen;
}

SKIP:
{
	skip 'chromium is not installed', 4 * 14 + 4 unless defined $browser;
	my ($version) = (`$browser --version 2>/dev/null` =~ /(\S+ [0-9.]+)/);

	note('measured: with ' . ($version // $browser));
	for my $width (360, 1280)
	{
		for my $scheme ('light', 'dark')
		{
			my $at = "$width pixels, $scheme";
			my %seen = look($width, $scheme);

			is($seen{console}, '', "$at: the console is silent");
			is($seen{width}, $width, "$at: the page has the width of its frame");
			cmp_ok($seen{scroll} // 1e9, '<=', $width, "$at: nothing overflows");
			is($seen{out}, '', "$at: nothing sticks out");
			is($seen{dark}, $scheme eq 'dark' ? 'true' : 'false', "$at: the scheme is seen");
			cmp_ok($seen{texts} // 0, '>', 500, "$at: there is text");
			cmp_ok($seen{contrast} // 0, '>=', 4.5, "$at: contrast of text");
			cmp_ok($seen{'svg-texts'} // 0, '>=', 4.5, "$at: contrast of text in charts");
			cmp_ok($seen{lines} // 0, '>=', 3, "$at: contrast of lines");
			cmp_ok($seen{bars} // 0, '>=', 3, "$at: contrast of bars");
			cmp_ok($seen{pictures} // 0, '>=', 9, "$at: there are charts");
			is($seen{small}, 0, "$at: which have a size");
			cmp_ok($seen{'least-letter'} // 0, '>=', 9, "$at: letters in charts are large enough");
			is($seen{'letters-outside'}, '', "$at: and inside of them");
		}
	}

	# The looking itself: a page that is too wide, speaks on the console and is pale.
	my $good = slurp_file($file);
	unlink $file;
	append_to_file($file, $good =~ s{<main>}{<main><div style="width: 1500px; color: #ccc">x</div>}r =~ s{<meta http-equiv[^>]*>}{}r
			=~ s{</body>}{<script>console.error('here')</script></body>}r);
	my %seen = look(1280, 'light');
	cmp_ok($seen{scroll}, '>', 1280, 'what overflows is found');
	isnt($seen{out}, '', 'what sticks out is found');
	isnt($seen{console}, '', 'what is said on the console is found');
	cmp_ok($seen{contrast}, '<', 4.5, 'pale text is found');
}

$node->stop;
done_testing();
