/** What the published attacks on model servers sent as a name: each class of them once. */
export const names = [
  ...['../x', 'a/../../b', '..\\x', 'a\\..\\..\\b', '%2e%2e/x', '%252e%252e%252fx', ';/../x', 'x;/../../y'],
  ...[
    'x#/../y',
    'x?/../y',
    '/etc/passwd',
    'C:\\x',
    'C:x',
    '\\\\server\\share',
    'x\0.json',
    'x\n',
    'x\r\nSet-A: b',
  ],
  ...['．．/x', '\u2025/x', '..', '.', '.hidden', '', 'x'.repeat(4_096), '__proto__', 'constructor'],
  ...['CON', 'x ', ' x', '$(id)', '`id`', "x'; --", '{{7*7}}', '<script>'],
];
