import cards.models.household
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('cards', '0002_choose_and_let_go'),
    ]

    operations = [
        migrations.AddField(
            model_name='card',
            name='changed_at',
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
        migrations.AddField(
            model_name='card',
            name='reminder_days',
            field=models.JSONField(blank=True, default=list, help_text='Days before the deadline, such as 90, 45: added to the reminders above', validators=[cards.models.household.check_days_before], verbose_name='more days before'),
        ),
        migrations.AddField(
            model_name='card',
            name='reminder_level',
            field=models.CharField(blank=True, choices=[('calm', 'calm'), ('standard', 'standard'), ('insistent', 'insistent')], help_text='Empty: each member gets as many as they chose in their settings', max_length=10, verbose_name='reminders'),
        ),
        migrations.AddField(
            model_name='card',
            name='revision',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='member',
            name='mail_stopped_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='mails stopped at'),
        ),
        migrations.AddField(
            model_name='member',
            name='reminder_days',
            field=models.JSONField(blank=True, default=list, help_text='Days before the deadline, such as 90, 45: added to the reminders above', validators=[cards.models.household.check_days_before], verbose_name='more days before'),
        ),
        migrations.AddField(
            model_name='member',
            name='unreachable_reason',
            field=models.CharField(blank=True, editable=False, max_length=300),
        ),
        migrations.AddField(
            model_name='member',
            name='unreachable_since',
            field=models.DateTimeField(editable=False, null=True, verbose_name='mail refused since'),
        ),
        migrations.AlterField(
            model_name='member',
            name='away_until',
            field=models.DateField(blank=True, help_text='What falls into these days is said the day before you leave, and the deputy stands in', null=True, verbose_name='away until'),
        ),
    ]
