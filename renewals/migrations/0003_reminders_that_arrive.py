import cards.encryption
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat


def name_subjects(apps, schema_editor):
    """Until now every line was about a card."""
    reminders = apps.get_model('renewals', 'Reminder').objects
    reminders.update(subject=Concat(Value('card:'), Cast(F('card_id'), CharField())))


class Migration(migrations.Migration):

    dependencies = [
        ('cards', '0003_reminders_that_arrive'),
        ('renewals', '0002_choose_and_let_go'),
    ]

    operations = [
        # A partial index is of no use where the states come as parameters, as they do with SQLite.
        migrations.RemoveIndex(
            model_name='delivery',
            name='delivery_open',
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['state', 'next_try_at'], name='delivery_due'),
        ),
        migrations.CreateModel(
            name='LinkUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('action', models.CharField(max_length=10, verbose_name='action')),
                ('used_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='used at')),
            ],
            options={
                'verbose_name': 'used link',
                'verbose_name_plural': 'used links',
            },
        ),
        migrations.CreateModel(
            name='Snooze',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('about_on', models.DateField(verbose_name='deadline')),
                ('until_on', models.DateField(verbose_name='until')),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='made at')),
            ],
            options={
                'verbose_name': 'snooze',
                'verbose_name_plural': 'snoozes',
            },
        ),
        migrations.CreateModel(
            name='Trip',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('leaves_on', models.DateField(verbose_name='day of the flight')),
                ('from_country', models.CharField(max_length=2, verbose_name='from the country')),
                ('to_country', models.CharField(max_length=2, verbose_name='to the country')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='written down at')),
                ('cancelled_at', models.DateTimeField(editable=False, null=True, verbose_name='cancelled at')),
            ],
            options={
                'verbose_name': 'flight',
                'verbose_name_plural': 'flights',
                'ordering': ['leaves_on', 'pk'],
            },
        ),
        migrations.AddField(
            model_name='delivery',
            name='about',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cards.member', verbose_name='about'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='answer',
            field=models.CharField(blank=True, max_length=300, verbose_name='answer of the server'),
        ),
        migrations.AddField(
            model_name='document',
            name='changed_at',
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
        migrations.AddField(
            model_name='document',
            name='revision',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.RemoveConstraint(
            model_name='reminder',
            name='reminder_once',
        ),
        migrations.RenameField(
            model_name='reminder',
            old_name='subject',
            new_name='card',
        ),
        migrations.AlterField(
            model_name='reminder',
            name='card',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='reminders', to='cards.card', verbose_name='card'),
        ),
        migrations.AddField(
            model_name='reminder',
            name='subject',
            field=models.CharField(default='', max_length=40, verbose_name='subject'),
            preserve_default=False,
        ),
        migrations.RunPython(name_subjects, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='reminder',
            constraint=models.UniqueConstraint(fields=('member', 'subject', 'kind', 'about_on', 'moment_on'), name='reminder_once'),
        ),
        migrations.AddField(
            model_name='reminderrun',
            name='problem',
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name='renewal',
            name='changed_at',
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
        migrations.AddField(
            model_name='renewal',
            name='revision',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AlterField(
            model_name='delivery',
            name='kind',
            field=models.CharField(choices=[('digest', 'digest'), ('test', 'test'), ('alert', 'somebody is out of reach')], default='digest', max_length=6, verbose_name='kind'),
        ),
        migrations.AlterField(
            model_name='reminder',
            name='about_on',
            field=models.DateField(help_text='The deadline, or the other date, that it speaks of', verbose_name='about'),
        ),
        migrations.AlterField(
            model_name='reminder',
            name='kind',
            field=models.CharField(choices=[('grace', 'grace'), ('recovery', 'recovery'), ('lost', 'lost'), ('deadline', 'deadline'), ('balance', 'balance too low'), ('unreachable', 'a member is out of reach'), ('accounts', 'accounts to be moved'), ('rule', 'rule of the plan changed'), ('review', 'review overdue'), ('trip', 'before a flight'), ('unknown', 'nothing known'), ('papers', 'document expires before the renewal'), ('document', 'document expires'), ('details', 'new details to be told'), ('reading', 'old reading'), ('signal', 'signal check'), ('copy', 'copy of the papers'), ('promotion', 'promotion'), ('watching', 'still watching')], max_length=12, verbose_name='kind'),
        ),
        migrations.CreateModel(
            name='CalendarFeed',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token_hash', models.CharField(editable=False, max_length=64, unique=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='made at')),
                ('household', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cards.household', verbose_name='household')),
                ('member', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='calendar_feed', to='cards.member', verbose_name='member')),
            ],
            options={
                'verbose_name': 'calendar feed',
                'verbose_name_plural': 'calendar feeds',
            },
        ),
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('url', cards.encryption.EncryptedTextField(verbose_name='address of the channel')),
                ('service', models.CharField(max_length=30, verbose_name='service')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='added at')),
                ('failed_at', models.DateTimeField(editable=False, null=True, verbose_name='failed at')),
                ('last_error', models.CharField(blank=True, editable=False, max_length=300, verbose_name='last error')),
                ('household', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cards.household', verbose_name='household')),
                ('member', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='channel', to='cards.member', verbose_name='member')),
            ],
            options={
                'verbose_name': 'channel',
                'verbose_name_plural': 'channels',
            },
        ),
        migrations.AddField(
            model_name='delivery',
            name='channel',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='deliveries', to='renewals.channel', verbose_name='channel'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'alert')), fields=('member', 'about', 'local_date'), name='alert_once_a_day'),
        ),
        migrations.AddField(
            model_name='linkuse',
            name='card',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cards.card', verbose_name='card'),
        ),
        migrations.AddField(
            model_name='linkuse',
            name='delivery',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='renewals.delivery', verbose_name='delivery'),
        ),
        migrations.AddField(
            model_name='linkuse',
            name='household',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cards.household', verbose_name='household'),
        ),
        migrations.AddField(
            model_name='snooze',
            name='card',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='snoozes', to='cards.card', verbose_name='card'),
        ),
        migrations.AddField(
            model_name='snooze',
            name='household',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cards.household', verbose_name='household'),
        ),
        migrations.AddField(
            model_name='snooze',
            name='member',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='snoozes', to='cards.member', verbose_name='member'),
        ),
        migrations.AddField(
            model_name='trip',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='cards.member', verbose_name='written down by'),
        ),
        migrations.AddField(
            model_name='trip',
            name='household',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trips', to='cards.household', verbose_name='household'),
        ),
        migrations.AddConstraint(
            model_name='linkuse',
            constraint=models.UniqueConstraint(fields=('delivery', 'card', 'action'), name='link_once'),
        ),
        migrations.AddConstraint(
            model_name='snooze',
            constraint=models.UniqueConstraint(fields=('member', 'card'), name='snooze_once'),
        ),
        migrations.AddConstraint(
            model_name='trip',
            constraint=models.CheckConstraint(condition=models.Q(('from_country', models.F('to_country')), _negated=True), name='trip_of_two_countries', violation_error_message='Choose two different countries.'),
        ),
    ]
